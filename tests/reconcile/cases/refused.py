"""What can't be dealt with is said at once, in a sentence."""

from .case import Case, form, forms, upgrade

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
    form("none", encoding="SQL_ASCII"),  # SQLAlchemy itself can't connect there over psycopg
)

CASES = (*SEVERAL, *ENCODINGS)
