"""What plain Alembic runs can be recorded, and what it runs on is recorded with it."""

from .case import Case, form, forms, sql, upgrade

PAGES = 'op.create_table("pages", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'

CASES = (
    *forms(
        Case(
            id="warning-at-import",
            why="A warning in a revision's file is its project's business: the chain can be read all the same.",
            revisions=(PAGES,),
            right=("healed",),
        ),
        form("deprecated", head='import warnings\n\nwarnings.warn("this is old", DeprecationWarning)\n'),
        form("backslash in a docstring", head='"""Splits at \\d and \\w."""\n'),
    ),
    *forms(
        Case(
            id="type-made-once",
            why="Alembic runs the chain in one context, in which SQLAlchemy knows which types it has made.",
            revisions=tuple(
                f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True),'
                ' sa.Column("level", sa.Enum("low", "high", name="level")))'
                for name in ("alarms", "notices")
            ),
            right=("healed",),
        ),
        form("named twice"),
    ),
    *forms(
        Case(
            id="base-never-touched",
            why="What was there before the first revision must be there, whether or not a revision touches it.",
            base="CREATE TABLE goods (id integer NOT NULL, price integer); CREATE TABLE shops (id integer, name text);",
            revisions=('op.add_column("goods", sa.Column("weight", sa.Integer))',),
            steps=(upgrade("r1"),),
            right=("refused",),
            says=("shops",),
        ),
        form("table and column gone", sql("DROP TABLE shops; ALTER TABLE goods DROP COLUMN price")),
    ),
    *forms(
        Case(
            id="on-a-table-of-the-base",
            why="What a revision hangs on a table that none of them made is seen.",
            base="CREATE TABLE clients (id int PRIMARY KEY, email text);",
            revisions=('op.create_unique_constraint("clients_email", "clients", ["email"])',),
            steps=(upgrade("r1"),),
            right=("current",),
        ),
        form("unique"),
    ),
    *forms(
        Case(
            id="extension-made-beforehand",
            why="An administrator makes the extension, and the database is still empty of ours.",
            revisions=(
                PAGES,
                """
op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
op.execute("CREATE INDEX pages_text ON pages USING gin (text gin_trgm_ops)")
""",
            ),
            right=("healed",),
        ),
        form("fresh database", sql("CREATE EXTENSION pg_trgm")),
    ),
)
