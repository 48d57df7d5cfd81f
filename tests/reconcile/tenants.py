"""Many schemas in one database, made by the same chain and some of them damaged, and a look at them by SQL alone."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import psycopg

INI = """[alembic]
script_location = %(here)s/migrations
path_separator = os
sqlalchemy.url = {url}
"""
ENV = """
from alembic import context
from sqlalchemy import engine_from_config, pool

section = context.config.get_section(context.config.config_ini_section)
engine = engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
CHAIN = {
    "t1": (
        "CREATE TYPE mood AS ENUM ('calm', 'cross')",
        "CREATE TABLE notes (id integer PRIMARY KEY, body text NOT NULL, state mood DEFAULT 'calm' NOT NULL)",
        "CREATE INDEX ix_notes_state ON notes (state)",
    ),
    "t2": (
        "ALTER TABLE notes ADD COLUMN title varchar(40)",
        "CREATE INDEX ix_notes_title ON notes (title)",
        "ALTER TABLE notes ADD CONSTRAINT uq_notes_body UNIQUE (body)",
    ),
    "t3": (
        "CREATE TABLE tags (id integer PRIMARY KEY, note_id integer CONSTRAINT fk_tags_note REFERENCES notes (id))",
        "CREATE INDEX ix_tags_note ON tags (note_id)",
        "CREATE VIEW titled AS SELECT id, title FROM notes WHERE title IS NOT NULL",
    ),
}
HEAD = "t3"
VERSIONS = "CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)"
ROWS = "INSERT INTO notes (id, body) VALUES (1, 'one'), (2, 'two')"


def at(revision: str, *more: str) -> tuple[str, ...]:
    """The statements that bring an empty schema to a revision, and perhaps a bit further, with rows."""
    ids = list(CHAIN)
    made = [statement for one in ids[: ids.index(revision) + 1] for statement in CHAIN[one]]
    return (*made, ROWS, VERSIONS, f"INSERT INTO alembic_version VALUES ('{revision}')", *more)


@dataclass(frozen=True)
class Damage:
    """How a schema is made other than a healthy one is, and whether a heal must mend it, else leave it as it is."""

    statements: tuple[str, ...]
    healed: bool


def broken(*statements: str, healed: bool) -> Damage:
    """A healthy schema with something done to it."""
    return Damage(at(HEAD, *statements), healed)


DAMAGES = {
    "a lost index": broken("DROP INDEX ix_notes_title", healed=True),
    "an index on another column": broken(
        "DROP INDEX ix_tags_note", "CREATE INDEX ix_tags_note ON tags (id)", healed=True
    ),
    "an invalid index": broken(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_notes_state'::regclass", healed=True
    ),
    "a lost view": broken("DROP VIEW titled", healed=True),
    "a lost unique constraint": broken("ALTER TABLE notes DROP CONSTRAINT uq_notes_body", healed=True),
    "a lost foreign key": broken("ALTER TABLE tags DROP CONSTRAINT fk_tags_note", healed=True),
    "a lost default": broken("ALTER TABLE notes ALTER state DROP DEFAULT", healed=True),
    "a lost column": broken("DROP VIEW titled", "ALTER TABLE notes DROP COLUMN title", healed=True),
    "no version": broken("DELETE FROM alembic_version", healed=True),
    "no version table": broken("DROP TABLE alembic_version", healed=True),
    "an older version on record": broken("UPDATE alembic_version SET version_num = 't1'", healed=True),
    "two versions on record": broken("INSERT INTO alembic_version VALUES ('t1')", healed=True),
    "nothing": Damage((), healed=True),
    "the first revision alone": Damage(at("t1"), healed=True),
    "half of the second": Damage(at("t1", CHAIN["t2"][0]), healed=True),
    "an unknown version": broken("UPDATE alembic_version SET version_num = 'ffff'", healed=False),
    "a lost table": broken("DROP TABLE tags", healed=False),
    "another type": broken(
        "DROP VIEW titled", "ALTER TABLE notes ALTER title TYPE integer USING NULL::integer", healed=False
    ),
    "a column that must be filled": broken(
        "ALTER TABLE notes ADD extra integer",
        "UPDATE notes SET extra = 1",
        "ALTER TABLE notes ALTER extra SET NOT NULL",
        healed=False,
    ),
    "a renamed column": broken("ALTER TABLE notes RENAME title TO headline", healed=False),
}
# What lies in each schema, without its name, by catalogs and functions that the engine's own look has no part in.
_SEEN = """
WITH ours AS (SELECT oid, nspname FROM pg_namespace WHERE nspname LIKE 'tenant\\_%'),
seen AS (
    SELECT o.nspname, format('column %s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                             a.attnotnull, pg_get_expr(d.adbin, d.adrelid)) AS line
    FROM ours o JOIN pg_class c ON c.relnamespace = o.oid AND c.relkind IN ('r', 'v')
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    UNION ALL
    SELECT o.nspname, format('index %s %s', pg_get_indexdef(c.oid), i.indisvalid)
    FROM ours o JOIN pg_class c ON c.relnamespace = o.oid JOIN pg_index i ON i.indexrelid = c.oid
    UNION ALL
    SELECT o.nspname, format('constraint %s %s %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
    FROM ours o JOIN pg_constraint k ON k.connamespace = o.oid AND k.contype <> 'n'
    UNION ALL
    SELECT o.nspname, format('type %s %s', t.typname, (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
                                                       FROM pg_enum e WHERE e.enumtypid = t.oid))
    FROM ours o JOIN pg_type t ON t.typnamespace = o.oid AND t.typtype = 'e'
)
SELECT nspname, replace(line, nspname || '.', '') FROM seen
"""


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The address of an empty database on a server."""
    name = f"many_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    try:
        yield server.replace("/pegasus?", f"/{name}?")
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def make_tenants(address: str, number: int, *, damaged_every: int) -> dict[str, str]:
    """Makes schemas, of which every so many is damaged, each kind in turn; returns the kinds by schema."""
    kinds, damaged = list(DAMAGES), {}
    with psycopg.connect(address, autocommit=True) as connection:
        for count in range(number):
            schema, statements = f"tenant_{count:05}", at(HEAD)
            if count % damaged_every == damaged_every - 1:
                damaged[schema] = kinds[count // damaged_every % len(kinds)]
                statements = DAMAGES[damaged[schema]].statements
            script = "; ".join([f"CREATE SCHEMA {schema}", f"SET search_path TO {schema}", *statements])
            connection.execute(script.encode())
    return damaged


def seen(address: str) -> dict[str, frozenset[str]]:
    """What lies in each schema, and the versions on record there."""
    lines: dict[str, set[str]] = defaultdict(set)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET search_path TO pg_temp")
        for (schema,) in connection.execute(r"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tenant\_%'"):
            lines[schema] = set()
        for schema, line in connection.execute(_SEEN.encode()):
            lines[schema].add(line)
    return {schema: frozenset(these) for schema, these in lines.items()}


def records(address: str, schemas: list[str]) -> dict[str, tuple[object, ...]]:
    """The versions on record and the notes of some schemas."""
    with psycopg.connect(address, autocommit=True) as connection:
        return {schema: tuple(_rows(connection, schema)) for schema in schemas}


def _rows(connection: psycopg.Connection, schema: str) -> Iterator[object]:
    for query in (
        f"SELECT version_num FROM {schema}.alembic_version ORDER BY 1",
        f"SELECT id, body FROM {schema}.notes",
    ):
        try:
            yield connection.execute(query.encode()).fetchall()
        except psycopg.errors.UndefinedTable:
            yield None
