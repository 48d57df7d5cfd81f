"""A look runs nothing that somebody else has made, and sees all that a revision can make."""

from .case import Case, form, forms, sql, upgrade

PEOPLE = 'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.String(80)))'
# What a sequence counts isn't rolled back.
COUNTING = "LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('public.called'); RETURN {}; END $$"


def function(name: str, arguments: str, *, returns: str = "text", value: str = "'planted'") -> str:
    """SQL for a function that counts how often it is called."""
    return f"CREATE FUNCTION public.{name}({arguments}) RETURNS {returns} {COUNTING.format(value)};"


def operator(symbol: str, left: str, right: str, *, number: int) -> str:
    """SQL for an operator that counts how often it is used."""
    name = f"planted_{number}"
    return (
        function(name, f"{left}, {right}", returns="boolean", value="false")
        + f"CREATE OPERATOR public.{symbol} (FUNCTION = public.{name}, LEFTARG = {left}, RIGHTARG = {right});"
    )


CASES = forms(
    Case(
        id="planted",
        why="A function of somebody's that fits the name and the type better than PostgreSQL's own isn't called.",
        revisions=(PEOPLE + '\nop.create_index("people_email", "people", ["email"])',),
        steps=(upgrade("r1"), sql("CREATE SEQUENCE called")),
        right=("current",),
        after={"SELECT is_called FROM called": "f"},
    ),
    form("quoting functions", sql(function("quote_ident", "name") + function("quote_literal", "name"))),
    form(
        "functions of the catalogs",
        sql(
            function("format_type", "oid, int")
            + function("pg_get_indexdef", "oid, smallint, boolean")
            + function("pg_get_constraintdef", "oid, int")
            + function("obj_description", "oid, text")
            + function("array_to_string", "name[], text")
            + function("string_agg", "name, text")
            + function("coalesce_all", "name")
        ),
    ),
    form(
        "functions that take anything",
        sql(
            function("format", '"char", name')
            + function("concat", "name, name")
            + function("replace", "name, name, name")
            + function("regexp_replace", "name, text, text")
            + function("length", "name, int")
            + function("starts_with", "name, name", returns="boolean", value="true")
        ),
    ),
    form(
        "operators",
        sql(
            operator("=", "name", "text", number=1)
            + operator("=", '"char"', "text", number=2)
            + operator("||", "name", "name", number=3)
            + operator("<>", "oid", "integer", number=4)
            + operator("~", "name", "name", number=5)
        ),
    ),
    form(
        "casts",
        sql(function("named", "people", value="'x'") + "CREATE CAST (people AS text) WITH FUNCTION named(people)"),
    ),
    form(
        "while there is something to heal",
        sql(function("quote_ident", "name") + "DROP INDEX people_email"),
        right=("healed",),
        holds="more",
    ),
)
