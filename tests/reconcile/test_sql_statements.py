"""What a statement may do beside changing the schema is read off its text, wherever the words hide."""

from dataclasses import asdict

import pytest

from reconcile.sql.statements import read_statement


@pytest.mark.parametrize(
    ("sql", "abilities"),
    [
        ("INSERT INTO t VALUES (1)", {"moves_rows"}),
        ("/* SELECT */ update t SET a = 1", {"moves_rows"}),
        ("DELETE FROM t", {"moves_rows"}),
        ("TRUNCATE t", {"moves_rows"}),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DO NOTHING", {"moves_rows"}),
        ("COPY t (a) FROM stdin", {"moves_rows"}),
        ("COPY t TO stdout", set()),
        ("COPY (SELECT a FROM t) TO stdout", set()),
        ("COPY (DELETE FROM t RETURNING a) TO stdout", {"moves_rows", "returns_rows"}),
        ("WITH a AS (SELECT 1) SELECT * FROM a", set()),
        ("WITH a AS (SELECT 1) UPDATE t SET b = 1", {"moves_rows"}),
        (
            "WITH RECURSIVE a (n) AS (SELECT 1) SEARCH DEPTH FIRST BY n SET o INSERT INTO t SELECT n FROM a",
            {"moves_rows"},
        ),
        ("WITH a AS MATERIALIZED (DELETE FROM t RETURNING *) SELECT * FROM a", {"moves_rows", "returns_rows"}),
        (
            "WITH a AS (WITH b AS (SELECT 1) UPDATE t SET c = 1 RETURNING c) SELECT * FROM a",
            {"moves_rows", "returns_rows"},
        ),
        ("WITH a AS (SELECT 1) SELECT * FROM a FOR UPDATE", set()),
        ("WITH a AS (SELECT update, delete FROM t) SELECT update FROM a", set()),
        ("WITH a AS (SELECT 'x') SELECT '(UPDATE t SET a = 1)' FROM a", set()),
        ("SELECT update FROM t", set()),
        ("DO $$ BEGIN NULL; END $$", {"may_do_anything"}),
        ("CALL p()", {"may_do_anything"}),
        ("EXECUTE prepared", {"may_do_anything"}),
        ("REFRESH MATERIALIZED VIEW v", {"may_do_anything"}),
        ("CREATE TABLE a AS SELECT 1", {"copies_rows"}),
        ("create temp table if not exists s.a (b) with (fillfactor = 70) as (values (1))", {"copies_rows"}),
        ("CREATE UNLOGGED TABLE a AS TABLE b", {"copies_rows"}),
        ("CREATE TABLE a AS EXECUTE prepared", {"copies_rows"}),
        ("CREATE TABLE a AS WITH b AS (SELECT 1) SELECT * FROM b", {"copies_rows"}),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", set()),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1 WITH NO DATA", set()),
        ("CREATE VIEW v AS SELECT 1", set()),
        ("CREATE TABLE t (a integer GENERATED ALWAYS AS (1) STORED, b text DEFAULT 'AS SELECT')", set()),
        ("CREATE FUNCTION f() RETURNS TABLE (a integer) LANGUAGE sql AS 'SELECT 1'", set()),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO u VALUES (1)", set()),
        ("SELECT a INTO b FROM c", {"copies_rows"}),
        ("(SELECT a INTO TEMP b FROM c)", {"copies_rows"}),
        ("WITH d AS (SELECT 1) SELECT * INTO b FROM d", {"copies_rows"}),
        ("SELECT a AS into FROM c", set()),
        ("COMMIT", {"ends_transaction"}),
        ("/* now */ end", {"ends_transaction"}),
        ("ROLLBACK", {"ends_transaction"}),
        ("ROLLBACK WORK", {"ends_transaction"}),
        ("ROLLBACK TO SAVEPOINT a", set()),
        ("ROLLBACK TRANSACTION TO a", set()),
        ("ABORT", {"ends_transaction"}),
        ("COMMIT AND CHAIN", {"ends_transaction"}),
        ("COMMIT PREPARED 'a'", set()),
        ("PREPARE TRANSACTION 'a'", {"ends_transaction"}),
        ("PREPARE a AS SELECT 1", set()),
        ("BEGIN", {"begins_transaction"}),
        ("START TRANSACTION READ ONLY", {"begins_transaction"}),
        ("EXPLAIN INSERT INTO t VALUES (1)", set()),
        ("EXPLAIN ANALYZE INSERT INTO t VALUES (1)", {"moves_rows"}),
        ("EXPLAIN (ANALYZE, BUFFERS) SELECT a INTO b FROM c", {"copies_rows"}),
        ("ALTER TABLE t ADD COLUMN a text DEFAULT 'UPDATE'", set()),
        ("", set()),
    ],
)
def test_what_a_statement_may_do_is_read_off_its_text(sql: str, abilities: set[str]) -> None:
    assert {name for name, able in asdict(read_statement(sql)).items() if able} == abilities
