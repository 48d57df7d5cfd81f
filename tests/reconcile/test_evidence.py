"""Rows prove whether a statement ran, or they prove nothing; looking at them runs nothing of others."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reconcile.evidence import Finding, examine, examine_read

NOTHING = "nothing to do"
RAN = "ran"
NOT_RUN = "not run"
UNKNOWN = "unknown"

TABLES = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN short AS varchar(5);
CREATE TABLE empty (id integer, a text);
CREATE TABLE t (id integer PRIMARY KEY, a text, b text, n integer DEFAULT 0, price numeric(10, 2) DEFAULT 0, mood mood,
    short short, at timestamp DEFAULT now(), at_hand boolean DEFAULT false, "Odd ""Name" text, j json, date text);
INSERT INTO t (id, a) VALUES (1, 'x'), (2, 'y'), (3, NULL);
CREATE TABLE w (id serial PRIMARY KEY, name varchar(20), n numeric(5, 1), mood mood);
CREATE TABLE full_w (id serial PRIMARY KEY, name varchar(20), n numeric(5, 1), mood mood);
INSERT INTO full_w (name, n, mood) VALUES ('one', 1.5, 'sad'), ('two', 2, NULL);
"""


DEFAULT_DROPPED = r"""
ALTER TABLE t ADD COLUMN late text NOT NULL DEFAULT E'it''s \\'; ALTER TABLE t ALTER COLUMN late DROP DEFAULT
"""


@pytest.fixture
def connection(server_address: str) -> Iterator[Connection]:
    """A transaction, rolled back in the end, in a schema that its search path is pinned to."""
    engine = create_engine(server_address.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        connection.execute(text("CREATE SCHEMA app"))
        connection.execute(text("SET LOCAL search_path = app"))
        connection.exec_driver_sql(TABLES)
        yield connection
    engine.dispose()


@dataclass(frozen=True)
class Case:
    """What the rows are made before a statement is examined, and what they must prove."""

    sql: str
    proves: str
    rows: str = ""


def finding(
    connection: Connection, sql: str, *, added: tuple[str, ...] = (), earlier: str = "", later: str = ""
) -> Finding | None:
    """What the rows prove, where w and full_w were created by the revision, and these columns added to t."""
    return examine(
        connection,
        sql,
        created_tables=["w", '"full_w"', "w_"],
        added_columns=[("app.t", column) for column in added],
        earlier=[earlier],
        later=[later],
    )


def proven(found: Finding | None) -> str:
    return UNKNOWN if found is None else {True: RAN, False: NOT_RUN, None: NOTHING}[found.ran]


@pytest.mark.parametrize(
    "case",
    [
        Case("INSERT INTO w (name) VALUES ('one')", NOT_RUN),
        Case("INSERT INTO app.w (name) VALUES (%(name)s), ($1::VARCHAR)", NOT_RUN),
        Case("INSERT INTO w (name) VALUES (gen_random_uuid())", NOT_RUN),
        Case("INSERT INTO w DEFAULT VALUES", NOT_RUN),
        Case("INSERT INTO w (name) VALUES ('one') ON CONFLICT DO NOTHING RETURNING id", NOT_RUN),
        Case(
            "INSERT INTO w (name, n) SELECT p0::VARCHAR, p1::NUMERIC(5, 1) FROM (VALUES (%(a)s::VARCHAR, %(b)s, 0), "
            "(%(c)s::VARCHAR, %(d)s, 1)) AS imp_sen(p0, p1, sen_counter) ORDER BY sen_counter RETURNING w.id",
            NOT_RUN,
        ),
        Case("INSERT INTO w (name) SELECT p0 FROM (VALUES ($1)) AS s(p0) WHERE false", UNKNOWN),
        Case("INSERT INTO w (name) SELECT unnest(p0) FROM (VALUES ($1)) AS s(p0)", UNKNOWN),
        Case("INSERT INTO w (name) SELECT upper(a) FROM t WHERE a IS NOT NULL", NOT_RUN),
        Case("INSERT INTO w (name) SELECT a FROM t WHERE a = 'z'", NOTHING),
        Case("INSERT INTO w (name) SELECT a FROM empty", NOTHING),
        Case("INSERT INTO w (name) SELECT a FROM t WHERE id = %(id)s", UNKNOWN),
        Case("INSERT INTO w (name) SELECT lost FROM t", UNKNOWN),
        Case(
            "INSERT INTO w (name) VALUES ('one')",
            UNKNOWN,
            rows="CREATE TRIGGER r BEFORE INSERT ON w FOR EACH ROW "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        ),
        Case("INSERT INTO full_w (name) VALUES ('one'), ('two')", RAN),
        Case("INSERT INTO full_w (name, n, mood) VALUES ('one', 1.46, 'sad'), ('two', 2, NULL)", RAN),
        Case("INSERT INTO full_w VALUES (1, 'one', '1.5', 'sad')", RAN),
        Case("INSERT INTO full_w (name) VALUES ('one'), ('three')", UNKNOWN),
        Case("INSERT INTO full_w (name) VALUES (%(name)s)", UNKNOWN),
        Case("INSERT INTO full_w (name) VALUES ('one' || random())", UNKNOWN),
        Case("INSERT INTO full_w (name) VALUES (DEFAULT)", UNKNOWN),
        Case("INSERT INTO full_w (name) VALUES ('one') ON CONFLICT (id) DO UPDATE SET n = 1", UNKNOWN),
        Case("INSERT INTO full_w (name, mood) SELECT a, 'sad' FROM t WHERE id = 1", RAN, rows="UPDATE t SET a = 'one'"),
        Case(
            "INSERT INTO full_w (name, n) (SELECT a, id * 1.5 FROM t WHERE id = 1)", RAN, rows="UPDATE t SET a = 'one'"
        ),
        Case("INSERT INTO full_w (name) SELECT a FROM t", UNKNOWN),
        Case("INSERT INTO full_w (name) WITH c AS (SELECT a FROM t) SELECT a FROM c WHERE a = 'z'", NOTHING),
        Case("INSERT INTO t (id) VALUES (4)", UNKNOWN),
        Case("INSERT INTO empty (id) VALUES (4)", UNKNOWN),
        Case("INSERT INTO empty (id) SELECT id FROM t", UNKNOWN),
        Case("INSERT INTO t (id, a) SELECT 1, 'x' WHERE NOT EXISTS (SELECT 1 FROM t WHERE a = 'x')", NOTHING),
        Case("INSERT INTO lost (id) VALUES (4)", UNKNOWN),
    ],
    ids=lambda case: case.sql,
)
def test_a_table_that_the_revision_made_tells_whether_its_insert_ran(connection: Connection, case: Case) -> None:
    if case.rows:
        connection.exec_driver_sql(case.rows)
    assert proven(finding(connection, case.sql)) == case.proves


@pytest.mark.parametrize(
    "case",
    [
        Case("UPDATE t SET b = upper(a)", NOT_RUN),
        Case("UPDATE t SET b=upper(t.a) WHERE t.id < 3", NOT_RUN),
        Case("UPDATE app.t AS x SET b = concat(x.a, '%', x.id) WHERE x.a LIKE 'x%'", NOT_RUN),
        Case("UPDATE t SET b = gen_random_uuid()", NOT_RUN),
        Case("UPDATE t SET b = md5(random()::text)", NOT_RUN),
        Case("UPDATE t SET b = date || random()::text", UNKNOWN),
        Case("UPDATE t SET b = now()", NOT_RUN),
        Case("UPDATE t SET b = upper(a)", RAN, rows="UPDATE t SET b = upper(a)"),
        Case("UPDATE t SET b = 'X' WHERE id = 1", RAN, rows="UPDATE t SET b = 'X' WHERE id = 1"),
        Case("UPDATE t SET b = upper(a)", UNKNOWN, rows="UPDATE t SET b = upper(a) WHERE id = 1"),
        Case("UPDATE t SET b = upper(a)", UNKNOWN, rows="UPDATE t SET b = 'other'"),
        Case("UPDATE t SET b = upper(a) WHERE a IS NULL", NOTHING),
        Case("UPDATE t SET b = NULL", NOTHING),
        Case("UPDATE t SET b = 'X' WHERE a = 'z'", NOTHING),
        Case("UPDATE t SET b = %(b)s", UNKNOWN),
        Case("UPDATE t SET b = %(b)s WHERE a = 'z'", NOTHING),
        Case("UPDATE t SET b = 'X' WHERE id = %(id)s", UNKNOWN),
        Case("UPDATE t SET b = 'X' WHERE id = %(id)s", NOTHING, rows="DELETE FROM t"),
        Case("UPDATE t SET b = 'X', n = 5", NOT_RUN),
        Case("UPDATE t SET b = %(b)s, n = 5", NOT_RUN),
        Case("UPDATE t SET b = %(b)s, n = 5", UNKNOWN, rows="UPDATE t SET n = 5"),
        Case("UPDATE t SET (b, n) = ('X', id)", RAN, rows="UPDATE t SET b = 'X', n = id"),
        Case("UPDATE t SET n = length(a) + 5", NOT_RUN),
        Case("UPDATE t SET n = 0", NOTHING),
        Case("UPDATE t SET n = n + 1", NOT_RUN),
        Case("UPDATE t SET n = n + 1", UNKNOWN, rows="UPDATE t SET n = n + 1"),
        Case("UPDATE t SET price = 0.001", NOTHING),
        Case("UPDATE t SET price = 0.006", NOT_RUN),
        Case("UPDATE t SET price = 0.006", RAN, rows="UPDATE t SET price = 0.01"),
        Case("UPDATE t SET mood = 'happy'", NOT_RUN),
        Case("UPDATE t SET mood = CASE WHEN a = 'x' THEN 'sad' ELSE 'happy' END::mood", UNKNOWN),
        Case("UPDATE t SET short = left(a, 5) WHERE id = 1", NOT_RUN),
        Case("UPDATE t SET at_hand = true", NOT_RUN),
        Case("UPDATE t SET late = 'o''ther'", NOT_RUN, rows=DEFAULT_DROPPED),
        Case("UPDATE t SET late = E'it''s \\\\'", NOTHING, rows=DEFAULT_DROPPED),
        Case("UPDATE t SET late = 'x'", RAN, rows=f"{DEFAULT_DROPPED}; UPDATE t SET late = 'x'"),
        Case("UPDATE t SET at = current_date - 1", UNKNOWN),
        Case("UPDATE t SET j = '{}'", UNKNOWN),
        Case('UPDATE t SET "Odd ""Name" = a', NOT_RUN),
        Case("UPDATE t SET b = 'X' WHERE b IS NULL", NOT_RUN),
        Case("UPDATE t SET b = 'X' WHERE b IS NULL", NOTHING, rows="UPDATE t SET b = 'X'"),
        Case("UPDATE t SET b = 'X' WHERE b IS NULL", UNKNOWN, rows="UPDATE t SET b = 'X' WHERE id = 1"),
        Case("UPDATE t SET b = a WHERE b IS NULL AND a IS NULL", NOTHING),
        Case("UPDATE t SET b = u.a FROM t AS u WHERE u.id = t.id", NOT_RUN),
        Case("UPDATE t SET b = u.a FROM t AS u WHERE u.id = t.id", RAN, rows="UPDATE t SET b = a"),
        Case("UPDATE t SET b = u.a FROM t AS u WHERE u.id = t.id AND u.a = 'z'", NOTHING),
        Case("UPDATE t SET b = (SELECT max(u.a) FROM t u)", NOT_RUN),
        Case(
            "UPDATE t SET b = 'X'",
            UNKNOWN,
            rows="CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        ),
        Case(
            "UPDATE t SET b = 'X' WHERE a = 'z'",
            NOTHING,
            rows="CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        ),
        Case("UPDATE t SET b = 'X' WHERE a = 'z'", UNKNOWN, rows="CREATE RULE r AS ON UPDATE TO t DO ALSO NOTHING"),
        Case("UPDATE t SET a = 'X'", UNKNOWN),
        Case("UPDATE t SET a = 'X', b = 'X'", UNKNOWN),
        Case("UPDATE t SET a = 'x' WHERE a = 'X'", NOTHING),
        Case("UPDATE t SET a = 'x' WHERE id = 1", NOTHING),
        Case("UPDATE t SET lost = 'x'", UNKNOWN),
    ],
    ids=lambda case: f"{case.sql} {case.rows}",
)
def test_a_column_that_the_revision_added_tells_whether_its_update_ran(connection: Connection, case: Case) -> None:
    if case.rows:
        connection.exec_driver_sql(case.rows)
    added = ("b", "n", "price", "mood", "short", "at", "at_hand", "late", '"Odd ""Name"', "j")
    assert proven(finding(connection, case.sql, added=added)) == case.proves


@pytest.mark.parametrize(
    "case",
    [
        Case("DELETE FROM t", UNKNOWN),
        Case("DELETE FROM t WHERE a = 'z'", NOTHING),
        Case("DELETE FROM t AS x USING empty e WHERE e.id = x.id", NOTHING),
        Case("DELETE FROM t WHERE id = %(id)s", UNKNOWN),
        Case("DELETE FROM empty WHERE id = %(id)s", NOTHING),
        Case("TRUNCATE empty", NOTHING),
        Case("TRUNCATE empty, t", UNKNOWN),
        Case("TRUNCATE empty CASCADE", UNKNOWN),
        Case("DO $$ BEGIN END $$", UNKNOWN),
        Case("WITH gone AS (DELETE FROM empty RETURNING id) SELECT id FROM gone", UNKNOWN),
        Case("UPDATE t SET b = 'X'; DELETE FROM t", UNKNOWN),
        Case("not SQL", UNKNOWN),
    ],
    ids=lambda case: case.sql,
)
def test_a_statement_without_rows_has_nothing_to_do(connection: Connection, case: Case) -> None:
    assert proven(finding(connection, case.sql)) == case.proves


@pytest.mark.parametrize(
    ("later", "proves"),
    [
        ("CREATE INDEX ix ON w (name)", NOT_RUN),
        ("INSERT INTO w (name) VALUES ('two')", NOT_RUN),
        ("UPDATE t SET n = 1", NOT_RUN),
        ("UPDATE w SET name = 'three'", NOT_RUN),
        ("UPDATE t SET b = 'Y' WHERE a = 'y'", "unknown for t"),
        ("INSERT INTO t (id) VALUES (4)", "unknown for t"),
        ("DELETE FROM w", "unknown for w"),
        ("DELETE FROM t", "unknown for t"),
        ("TRUNCATE w", UNKNOWN),
        ("SELECT 1; WITH gone AS (DELETE FROM w RETURNING id) SELECT id FROM gone", UNKNOWN),
        ("DO $$ BEGIN DELETE FROM w; END $$", UNKNOWN),
        ("MERGE INTO w USING t ON true WHEN MATCHED THEN DELETE", UNKNOWN),
    ],
)
def test_what_a_later_statement_may_have_undone_proves_nothing(connection: Connection, later: str, proves: str) -> None:
    inserted = finding(connection, "INSERT INTO w (name) VALUES ('one')", later=later)
    assert proven(inserted) == (UNKNOWN if proves in (UNKNOWN, "unknown for w") else NOT_RUN)
    updated = finding(connection, "UPDATE t SET b = 'X'", added=("b",), later=later)
    assert proven(updated) == (NOT_RUN if proves in (NOT_RUN, "unknown for w") else UNKNOWN)


@pytest.mark.parametrize(
    ("earlier", "proves"),
    [
        ("CREATE INDEX ix ON full_w (name)", RAN),
        ("INSERT INTO full_w (name) VALUES ('zero')", RAN),
        ("INSERT INTO full_w (name) VALUES ('one'), ('zero')", UNKNOWN),
        ("INSERT INTO full_w (name) VALUES (%(name)s)", UNKNOWN),
        ("INSERT INTO full_w (name, n) VALUES ('zero', 1)", UNKNOWN),
        ("INSERT INTO full_w (name) SELECT a FROM t", UNKNOWN),
        ("UPDATE full_w SET name = 'one'", UNKNOWN),
        ("CREATE TABLE full_w AS SELECT 1", UNKNOWN),
        ("DO $$ BEGIN END $$", UNKNOWN),
        ("DELETE FROM full_w", RAN),
    ],
)
def test_rows_that_an_earlier_statement_may_have_put_there_prove_nothing(
    connection: Connection, earlier: str, proves: str
) -> None:
    inserted = finding(connection, "INSERT INTO full_w (name) VALUES ('one')", earlier=earlier)
    assert proven(inserted) == proves


@pytest.mark.parametrize(
    ("earlier", "proves"),
    [
        ("UPDATE t SET b = 'Y' WHERE a = 'y'; UPDATE t SET n = 1", RAN),
        ("UPDATE t SET b = 'X' WHERE a = 'y'", UNKNOWN),
        ("UPDATE t SET b = upper(a)", UNKNOWN),
        ("INSERT INTO t (id) VALUES (4)", UNKNOWN),
        ("WITH u AS (UPDATE t SET b = 'X' RETURNING 1) SELECT * FROM u", UNKNOWN),
        ("INSERT INTO w (name) VALUES ('one')", RAN),
    ],
)
def test_values_that_an_earlier_statement_may_have_put_there_prove_nothing(
    connection: Connection, earlier: str, proves: str
) -> None:
    connection.exec_driver_sql("UPDATE t SET b = 'X'")
    assert proven(finding(connection, "UPDATE t SET b = 'X'", added=("b",), earlier=earlier)) == proves


def test_python_code_over_empty_tables_had_nothing_to_do(connection: Connection) -> None:
    assert proven(examine_read(connection, ["empty"])) == NOTHING
    assert proven(examine_read(connection, ["w", "app.empty"])) == NOTHING
    assert proven(examine_read(connection, ["empty", "t"])) == UNKNOWN
    assert proven(examine_read(connection, ["lost"])) == UNKNOWN
    assert proven(examine_read(connection, [])) == UNKNOWN


def test_the_sentence_says_what_was_seen(connection: Connection) -> None:
    found = finding(connection, "INSERT INTO w (name) VALUES ('one')")
    assert found == Finding(False, "the table w is empty, so INSERT INTO w has not run")
    found = examine_read(connection, ["w", "empty"])
    assert found == Finding(None, "the tables empty and w are empty")


PLANTED = """
CREATE TABLE witness (n integer);
CREATE FUNCTION bear_witness() RETURNS integer VOLATILE LANGUAGE plpgsql AS
    'BEGIN INSERT INTO app.witness VALUES (1); RETURN 1; END';
CREATE FUNCTION through(anyelement) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT app.bear_witness()';
"""
PLANTS = {
    "a function that fits better": (
        "CREATE FUNCTION upper(varchar) RETURNS text LANGUAGE sql AS $$SELECT app.bear_witness()::text$$",
        "UPDATE t SET b = upper(a::varchar)",
    ),
    "a function of a row, written as its column": (
        "CREATE FUNCTION trap(t) RETURNS text LANGUAGE sql AS $$SELECT app.bear_witness()::text$$",
        "UPDATE t SET b = t.trap",
    ),
    "a function of others, called": ("", "UPDATE t SET b = bear_witness()"),
    "a function of others, called by its schema": ("", "UPDATE t SET b = 'x' WHERE app.bear_witness() = 1"),
    "an operator that fits better": (
        (
            "CREATE FUNCTION equal(varchar, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT app.bear_witness() = 1';"
            "CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = equal)"
        ),
        "UPDATE t SET b = 'x' WHERE a::varchar = 'x'::varchar",
    ),
    "an operator behind IN": (
        (
            "CREATE FUNCTION equal(integer, text) RETURNS boolean LANGUAGE sql AS 'SELECT app.bear_witness() = 1';"
            "CREATE OPERATOR = (LEFTARG = integer, RIGHTARG = text, FUNCTION = equal)"
        ),
        "DELETE FROM t WHERE id IN ('7'::text)",
    ),
    "a cast": (
        (
            "CREATE FUNCTION to_number(text) RETURNS integer LANGUAGE sql AS 'SELECT app.bear_witness()';"
            "CREATE CAST (text AS integer) WITH FUNCTION to_number(text) AS IMPLICIT"
        ),
        "UPDATE t SET b = 'x' WHERE a::integer = 7",
    ),
    "a domain's check": (
        "CREATE DOMAIN trap AS text CHECK (app.bear_witness() = 1)",
        "UPDATE t SET b = 'x'::trap",
    ),
    "a domain of a column": (
        "CREATE DOMAIN trap AS text CHECK (VALUE IS NULL OR app.bear_witness() = 1);ALTER TABLE t ADD COLUMN trap trap",
        "UPDATE t SET trap = 'x'",
    ),
    "a view": (
        "CREATE VIEW trap AS SELECT app.bear_witness() AS id",
        "INSERT INTO w (name) SELECT id::text FROM trap",
    ),
    "a view for the table": (
        "CREATE VIEW trap AS SELECT * FROM t WHERE app.bear_witness() = 1",
        "DELETE FROM trap",
    ),
    "a view in the session's own schema": (
        "CREATE TEMP VIEW t AS SELECT * FROM app.t WHERE app.bear_witness() = 1",
        "UPDATE t SET b = 'x'",
    ),
    "an index": (
        "CREATE INDEX trap ON t (a) WHERE app.through(1) = 1; TRUNCATE witness",
        "UPDATE t SET b = 'x' WHERE a = 'x'",
    ),
    "an operator behind LIKE": (
        (
            "CREATE FUNCTION alike(integer, text) RETURNS boolean LANGUAGE sql AS 'SELECT app.bear_witness() = 1';"
            "CREATE OPERATOR ~~ (LEFTARG = integer, RIGHTARG = text, FUNCTION = alike)"
        ),
        "DELETE FROM t WHERE id LIKE '7'::text",
    ),
    "a function in FROM": ("", "UPDATE t SET b = 'x' FROM bear_witness() f"),
    "a function in a query": ("", "UPDATE t SET b = 'x' WHERE id = (SELECT max(through(id)) FROM t)"),
    "row security": (
        (
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;"
            "CREATE POLICY p ON t USING (app.bear_witness() = 1); CREATE ROLE pegasus_evidence_reader;"
            "GRANT ALL ON SCHEMA app TO pegasus_evidence_reader;"
            "GRANT ALL ON ALL TABLES IN SCHEMA app TO pegasus_evidence_reader; SET LOCAL ROLE pegasus_evidence_reader"
        ),
        "UPDATE t SET b = 'x'",
    ),
    "a name that hides in Unicode": ("", 'UPDATE t SET b = U&"bear\\005fwitness"()'),
}


@pytest.mark.parametrize("name", PLANTS)
def test_looking_at_rows_runs_nothing_of_others(connection: Connection, name: str) -> None:
    plant, sql = PLANTS[name]
    connection.exec_driver_sql(PLANTED + plant)
    found = examine(connection, sql, created_tables=["w", "full_w"], added_columns=[("t", "b"), ("t", "trap")])
    connection.exec_driver_sql("RESET ROLE")
    assert connection.exec_driver_sql("SELECT count(*) FROM witness").scalar() == 0
    assert proven(found) in {UNKNOWN, NOT_RUN if name == "a domain of a column" else UNKNOWN}


@pytest.mark.parametrize("name", PLANTS)
def test_what_is_planted_would_run(connection: Connection, name: str) -> None:
    """A test of the test: carelessly executed, each statement runs what lies in wait for it."""
    plant, sql = PLANTS[name]
    connection.exec_driver_sql(PLANTED + plant)
    connection.exec_driver_sql(sql)
    connection.exec_driver_sql("RESET ROLE")
    assert connection.exec_driver_sql("SELECT count(*) FROM witness").scalar() != 0


def test_types_of_extensions_elsewhere_in_the_table_hinder_nothing(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE EXTENSION citext SCHEMA app; ALTER TABLE t ADD COLUMN c citext")
    assert proven(finding(connection, "UPDATE t SET b = upper(a) WHERE a = 'x'", added=("b",))) == NOT_RUN
    assert proven(finding(connection, "UPDATE t SET b = upper(a) WHERE a LIKE 'x'", added=("b",))) == UNKNOWN
    assert proven(finding(connection, "UPDATE t SET b = upper(a) WHERE c = 'x'", added=("b",))) == UNKNOWN
    assert proven(finding(connection, "UPDATE t SET b = replace(a, 'x', 'y')", added=("b",))) == UNKNOWN


def test_looking_leaves_the_transaction_as_it_was(connection: Connection) -> None:
    settings = "SELECT name, setting FROM pg_settings ORDER BY 1"
    before = connection.exec_driver_sql(settings).all()
    for sql in ("INSERT INTO w (name) VALUES ('one')", "UPDATE t SET b = 1 / (id - id)", "UPDATE t SET b = lost"):
        finding(connection, sql, added=("b",))
        assert connection.exec_driver_sql(settings).all() == before
    connection.exec_driver_sql("INSERT INTO t (id) VALUES (4)")  # it may still write


def test_a_question_that_takes_too_long_is_not_answered(connection: Connection) -> None:
    connection.exec_driver_sql("INSERT INTO t (id, a) SELECT n, 'x' FROM generate_series(4, 60000) n")
    endless = "UPDATE t SET b = 'x' WHERE a = (SELECT max(u.a || v.a || x.a) FROM t u, t v, t x)"
    assert finding(connection, endless, added=("b",)) is None
    assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_partitions_are_looked_into(connection: Connection) -> None:
    connection.exec_driver_sql(
        "CREATE TABLE p (id integer, b text) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1)"
    )
    added = [("p", "b")]
    sql = "UPDATE p SET b = 'x'"
    assert proven(examine(connection, sql, created_tables=[], added_columns=added)) == NOT_RUN
    connection.exec_driver_sql(
        "CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER elsewhere FOREIGN DATA WRAPPER wrapper;"
        "CREATE FOREIGN TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) SERVER elsewhere"
    )
    assert examine(connection, sql, created_tables=[], added_columns=added) is None


async def test_it_is_the_same_through_asyncpg(healer: AsyncConnection) -> None:
    await healer.execute(text("SELECT set_config('search_path', 'public', true)"))
    await healer.execute(text("CREATE TABLE t (id integer, a text, b text)"))
    await healer.execute(text("INSERT INTO t VALUES (1, 'x:y%(a)s')"))

    def look(connection: Connection) -> str:
        sql = "UPDATE t SET b = upper(a) WHERE a = 'x:y%(a)s' AND a LIKE '%' AND id::text = '1'"
        return proven(examine(connection, sql, created_tables=[], added_columns=[("t", "b")]))

    assert await healer.run_sync(look) == NOT_RUN
    await healer.execute(text("UPDATE t SET b = upper(a)"))
    assert await healer.run_sync(look) == RAN
