"""Whatever a revision makes is watched, or `record` says that nobody will watch it."""

import pytest

from .case import Case
from .checks import recording
from .trial import Bench, Trial

FUNCTION = "CREATE FUNCTION f(n int) RETURNS int LANGUAGE sql IMMUTABLE RETURN n"
TRIGGER = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
EVENT = "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$"
SERVER = "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw"
# What is made for it first, how it is made, and what is taken away then; the name is the one that `record` may say.
KINDS = {
    "table": ("", "CREATE TABLE made (a int)", "DROP TABLE made"),
    "column": ("", "ALTER TABLE notes ADD COLUMN made int", "ALTER TABLE notes DROP COLUMN made"),
    "default": ("", "ALTER TABLE notes ALTER text SET DEFAULT 'made'", "ALTER TABLE notes ALTER text DROP DEFAULT"),
    "not null": ("", "ALTER TABLE notes ALTER text SET NOT NULL", "ALTER TABLE notes ALTER text DROP NOT NULL"),
    "identity": ("", "ALTER TABLE notes ADD made int GENERATED ALWAYS AS IDENTITY", "ALTER TABLE notes DROP made"),
    "generated column": (
        "",
        "ALTER TABLE notes ADD made int GENERATED ALWAYS AS (id * 2) STORED",
        "ALTER TABLE notes ALTER made DROP EXPRESSION",
    ),
    "index": ("", "CREATE INDEX made ON notes (text)", "DROP INDEX made"),
    "check": ("", "ALTER TABLE notes ADD CONSTRAINT made CHECK (id > 0)", "ALTER TABLE notes DROP CONSTRAINT made"),
    "check, not valid": (
        "",
        "ALTER TABLE notes ADD CONSTRAINT made CHECK (id > 0) NOT VALID",
        "ALTER TABLE notes DROP CONSTRAINT made",
    ),
    "unique": ("", "ALTER TABLE notes ADD CONSTRAINT made UNIQUE (text)", "ALTER TABLE notes DROP CONSTRAINT made"),
    "exclusion": (
        "",
        "ALTER TABLE notes ADD CONSTRAINT made EXCLUDE (text WITH =)",
        "ALTER TABLE notes DROP CONSTRAINT made",
    ),
    "foreign key": (
        "",
        "ALTER TABLE notes ADD made int CONSTRAINT made REFERENCES notes",
        "ALTER TABLE notes DROP CONSTRAINT made",
    ),
    "foreign key's enforcement": (
        "",
        "ALTER TABLE notes ADD other int CONSTRAINT made REFERENCES notes",
        "ALTER TABLE notes ALTER CONSTRAINT made NOT ENFORCED",
    ),
    "foreign key's action": (
        "",
        "ALTER TABLE notes ADD other int CONSTRAINT made REFERENCES notes ON DELETE CASCADE",
        "ALTER TABLE notes DROP CONSTRAINT made, ADD CONSTRAINT made FOREIGN KEY (other) REFERENCES notes",
    ),
    "deferrable": (
        "",
        "ALTER TABLE notes ADD other int CONSTRAINT made REFERENCES notes DEFERRABLE",
        "ALTER TABLE notes ALTER CONSTRAINT made NOT DEFERRABLE",
    ),
    "nulls not distinct": (
        "",
        "ALTER TABLE notes ADD CONSTRAINT made UNIQUE NULLS NOT DISTINCT (text)",
        "ALTER TABLE notes DROP CONSTRAINT made; ALTER TABLE notes ADD CONSTRAINT made UNIQUE (text)",
    ),
    "virtual column": (
        "",
        "ALTER TABLE notes ADD made int GENERATED ALWAYS AS (id * 2) VIRTUAL",
        "ALTER TABLE notes ALTER made SET EXPRESSION AS (id * 3)",
    ),
    "column's type": ("", "ALTER TABLE notes ALTER text TYPE varchar(9)", "ALTER TABLE notes ALTER text TYPE text"),
    "column's collation": (
        "",
        'ALTER TABLE notes ALTER text TYPE text COLLATE "C"',
        'ALTER TABLE notes ALTER text TYPE text COLLATE "default"',
    ),
    "index's collation": (
        "",
        'CREATE INDEX made ON notes (text COLLATE "C")',
        "DROP INDEX made; CREATE INDEX made ON notes (text)",
    ),
    "index's operators": (
        "",
        "CREATE INDEX made ON notes (text text_pattern_ops)",
        "DROP INDEX made; CREATE INDEX made ON notes (text)",
    ),
    "index's other columns": (
        "",
        "CREATE INDEX made ON notes (text) INCLUDE (id)",
        "DROP INDEX made; CREATE INDEX made ON notes (text)",
    ),
    "unlogged": ("", "ALTER TABLE notes SET LOGGED", "ALTER TABLE notes SET UNLOGGED"),
    "view's query": (
        "",
        "CREATE VIEW made AS SELECT id FROM notes WHERE id > 1",
        "CREATE OR REPLACE VIEW made AS SELECT id FROM notes WHERE id > 2",
    ),
    "view's rights": (
        "",
        "CREATE VIEW made WITH (security_invoker) AS SELECT id FROM notes",
        "ALTER VIEW made RESET (security_invoker)",
    ),
    "trigger's condition": (
        TRIGGER,
        "CREATE TRIGGER made AFTER INSERT ON notes FOR EACH ROW WHEN (NEW.id > 1) EXECUTE FUNCTION f()",
        "CREATE OR REPLACE TRIGGER made AFTER INSERT ON notes FOR EACH ROW WHEN (NEW.id > 2) EXECUTE FUNCTION f()",
    ),
    "policy's condition": (
        "",
        "CREATE POLICY made ON notes USING (id > 0)",
        "ALTER POLICY made ON notes USING (id > 1)",
    ),
    "forced row security": (
        "",
        "ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY",
    ),
    "labels' order": (
        "CREATE TYPE made AS ENUM ('a', 'b')",
        "ALTER TYPE made ADD VALUE 'c' BEFORE 'a'",
        "DROP TYPE made; CREATE TYPE made AS ENUM ('a', 'b', 'c')",
    ),
    "sequence": ("", "CREATE SEQUENCE made", "DROP SEQUENCE made"),
    "sequence's step": ("CREATE SEQUENCE made", "ALTER SEQUENCE made INCREMENT 7", "ALTER SEQUENCE made INCREMENT 1"),
    "view": ("", "CREATE VIEW made AS SELECT id FROM notes", "DROP VIEW made"),
    "materialized view": ("", "CREATE MATERIALIZED VIEW made AS SELECT id FROM notes", "DROP MATERIALIZED VIEW made"),
    "enum": ("", "CREATE TYPE made AS ENUM ('a')", "DROP TYPE made"),
    "enum's label": (
        "CREATE TYPE made AS ENUM ('a')",
        "ALTER TYPE made RENAME VALUE 'a' TO 'b'",
        "ALTER TYPE made RENAME VALUE 'b' TO 'a'",
    ),
    "domain": ("", "CREATE DOMAIN made AS int CHECK (VALUE > 0)", "DROP DOMAIN made"),
    "domain's check": (
        "CREATE DOMAIN made AS int",
        "ALTER DOMAIN made ADD CONSTRAINT positive CHECK (VALUE > 0)",
        "ALTER DOMAIN made DROP CONSTRAINT positive",
    ),
    "composite type": ("", "CREATE TYPE made AS (a int)", "DROP TYPE made"),
    "range type": ("", "CREATE TYPE made AS RANGE (SUBTYPE = float8)", "DROP TYPE made"),
    "function": ("", FUNCTION.replace("f(", "made("), "DROP FUNCTION made"),
    "function's body": (
        "CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "CREATE OR REPLACE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ),
    "function's rights": (
        "CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION made() SECURITY DEFINER",
        "ALTER FUNCTION made() SECURITY INVOKER",
    ),
    "procedure": ("", "CREATE PROCEDURE made() LANGUAGE sql AS 'SELECT 1'", "DROP PROCEDURE made"),
    "aggregate": ("", "CREATE AGGREGATE made(int) (SFUNC = int4pl, STYPE = int)", "DROP AGGREGATE made(int)"),
    "trigger": (
        TRIGGER,
        "CREATE TRIGGER made AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION f()",
        "DROP TRIGGER made ON notes",
    ),
    "disabled trigger": (
        TRIGGER,
        "CREATE TRIGGER made AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE notes DISABLE TRIGGER made",
    ),
    "rule": ("", "CREATE RULE made AS ON UPDATE TO notes DO ALSO NOTIFY notes", "DROP RULE made ON notes"),
    "policy": ("", "CREATE POLICY made ON notes USING (id > 0)", "DROP POLICY made ON notes"),
    "row security": (
        "",
        "ALTER TABLE notes ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE notes DISABLE ROW LEVEL SECURITY",
    ),
    "schema": ("", "CREATE SCHEMA made", "DROP SCHEMA made"),
    "extension": ("", "CREATE EXTENSION citext", "DROP EXTENSION citext"),
    "partition": (
        "CREATE TABLE parts (id int) PARTITION BY LIST (id)",
        "CREATE TABLE made PARTITION OF parts FOR VALUES IN (1)",
        "DROP TABLE parts",
    ),
    "statistics": ("", "CREATE STATISTICS made ON id, text FROM notes", "DROP STATISTICS made"),
    "collation": ("", 'CREATE COLLATION made FROM "C"', "DROP COLLATION made"),
    "text search configuration": (
        "",
        "CREATE TEXT SEARCH CONFIGURATION made (COPY = simple)",
        "DROP TEXT SEARCH CONFIGURATION made",
    ),
    "text search dictionary": (
        "",
        "CREATE TEXT SEARCH DICTIONARY made (TEMPLATE = simple)",
        "DROP TEXT SEARCH DICTIONARY made",
    ),
    "operator": (
        "CREATE FUNCTION f(int, int) RETURNS int LANGUAGE sql RETURN 1",
        "CREATE OPERATOR <<<>>> (FUNCTION = f, LEFTARG = int, RIGHTARG = int)",
        "DROP OPERATOR <<<>>> (int, int)",
    ),
    "operator class": (
        "",
        "CREATE OPERATOR CLASS made FOR TYPE int USING hash AS OPERATOR 1 =",
        "DROP OPERATOR CLASS made USING hash",
    ),
    "cast": (
        "CREATE TYPE pair AS (a int); CREATE FUNCTION f(pair) RETURNS int LANGUAGE sql RETURN 1",
        "CREATE CAST (pair AS int) WITH FUNCTION f(pair)",
        "DROP CAST (pair AS int)",
    ),
    "conversion": (
        "",
        "CREATE CONVERSION made FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
        "DROP CONVERSION made",
    ),
    "publication": ("", "CREATE PUBLICATION made FOR TABLE notes", "DROP PUBLICATION made"),
    "event trigger": (
        EVENT,
        "CREATE EVENT TRIGGER made ON sql_drop EXECUTE FUNCTION f()",
        "DROP EVENT TRIGGER made",
    ),
    "foreign server": (
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER made FOREIGN DATA WRAPPER postgres_fdw",
        "DROP SERVER made",
    ),
    "foreign table": (SERVER, "CREATE FOREIGN TABLE made (a int) SERVER far", "DROP FOREIGN TABLE made"),
    "comment": ("", "COMMENT ON TABLE notes IS 'made'", "COMMENT ON TABLE notes IS NULL"),
    "right": ("", "GRANT SELECT ON notes TO PUBLIC", "REVOKE SELECT ON notes FROM PUBLIC"),
    "storage parameter": ("", "ALTER TABLE notes SET (fillfactor = 61)", "ALTER TABLE notes RESET (fillfactor)"),
}
# What docs/healing.md says is left to the administrator.
LEFT_ALONE = {"comment", "right", "storage parameter"}
NAMES = {"operator": "<<<>>>", "cast": "pair", "extension": "citext", "partition": "parts", "row security": "notes"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_taken_away_is_noticed(kind: str, bench: Bench) -> None:
    """Where an object of a revision is gone or other, status doesn't say current, or record has named the object."""
    before, made, taken = KINDS[kind]
    notes = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'
    body = "".join(f"\nop.get_bind().exec_driver_sql({statement!r})" for statement in (before, made) if statement)
    case = Case(id=kind, why="", revisions=(notes + body,), right=("told",))
    recorded, tape = recording(case, bench)
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    with bench.server.database() as database:
        trial = Trial(case, bench, database)
        trial.write_project()
        (trial.folder / "tape.json").write_text(tape)
        trial.alembic("upgrade", "head")
        assert trial.call("status").returncode == 0, trial.words
        trial.sql(taken)
        looked = trial.call("status")
    told = NAMES.get(kind, "made") in recorded.stdout
    if kind in LEFT_ALONE:
        assert looked.returncode == 0, trial.words
    else:
        noted = "that keeps nobody from working" in looked.stdout
        assert told or noted or looked.returncode != 0, recorded.stdout + looked.stdout


def test_what_is_another_each_time_is_named_and_passes_the_check(bench: Bench) -> None:
    """A chain that defines something by the clock, or at random, can be recorded, and its tape be checked."""
    body = """
import uuid
from datetime import datetime
op.execute(f"CREATE TABLE notes (id int, at text DEFAULT '{datetime.now().isoformat()}', text text)")
op.execute(f"INSERT INTO notes (text) VALUES ('{uuid.uuid4()}')")
op.execute(f"COMMENT ON TABLE notes IS 'made at {datetime.now().isoformat()}'")
"""
    case = Case(id="other each time", why="", revisions=(body,), right=("told",))
    recorded, tape = recording(case, bench)
    assert "each time" in recorded.stdout
    assert "column notes.at" in recorded.stdout
    with bench.server.database() as database:
        trial = Trial(case, bench, database)
        trial.write_project()
        (trial.folder / "tape.json").write_text(tape)
        assert trial.call("record", "--check").returncode == 0, trial.words
