"""What can't be dealt with is said at once, in a sentence."""

from .case import Case, form, forms, sql, upgrade

PEOPLE = 'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True))'

SCHEMAS = "CREATE SCHEMA one; CREATE SCHEMA two;"
SEVERAL = forms(
    Case(
        id="several-databases",
        why="An env.py that migrates one database after another: half of it is never called whole.",
        revisions=(PEOPLE,),
        recordable=False,
        right=("refused",),
        says=("more than one database",),
    ),
    form("by Alembic's template", env="multidb"),
    form("in turn", env="two databases in turn"),
    form("schema by schema", env="two schemas in turn", base=SCHEMAS, says=("more than one",)),
    form(
        "schema by schema, by version tables",
        env="two schemas by version tables",
        base=SCHEMAS,
        says=("more than one",),
    ),
    form("schema by schema, by translation", env="two schemas by translation", base=SCHEMAS, says=("more than one",)),
    form("a list of one", env="one database of a list", recordable=True, right=("healed",), says=()),
    form("two connections for one", env="looked at first", recordable=True, right=("healed",), says=()),
)

# As psql leaves it: Alembic itself can't read a version from such a database.
MADE = sql(
    "CREATE TABLE people (id serial PRIMARY KEY, größe text DEFAULT 'süß');"
    " CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY);"
    " INSERT INTO alembic_version VALUES ('r2')"
)
ENCODINGS = forms(
    Case(
        id="encoding",
        why="A database of another encoding may not hold what the project writes: nothing of that ends in a traceback.",
        revisions=(PEOPLE, 'op.add_column("people", sa.Column("größe", sa.Text, server_default="süß"))'),
        right=("refused", "healed"),
        holds="any",
    ),
    form("LATIN1", encoding="LATIN1"),
    form("LATIN1, at the head", upgrade("r2"), encoding="LATIN1", right=("refused", "current")),
    form("none", encoding="SQL_ASCII"),
    form("none, at the head", MADE, encoding="SQL_ASCII", right=("refused", "current")),
    form(
        "none, with bytes that are no text",
        MADE,
        sql(r"""DO $$ BEGIN EXECUTE format('COMMENT ON TABLE people IS %L', E'\xff\xfe'); END $$"""),
        sql(r"""DO $$ BEGIN EXECUTE format('CREATE TABLE %I (a int)', E'odd\xff'); END $$"""),
        sql(r"""DO $$ BEGIN EXECUTE format('ALTER TABLE people ADD COLUMN %I int', E'odd\xff'); END $$"""),
        encoding="SQL_ASCII",
        right=("refused", "current"),
    ),
)

CASES = (*SEVERAL, *ENCODINGS)
