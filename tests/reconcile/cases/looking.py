"""A look runs nothing that somebody else has made."""

from .case import Case, form, forms, sql, upgrade

CASES = (
    *forms(
        Case(
            id="planted",
            why="A function of somebody's that fits the name and the type better than PostgreSQL's own isn't called.",
            revisions=('op.create_table("people", sa.Column("id", sa.Integer, primary_key=True))',),
            # What a sequence counts isn't rolled back.
            steps=(upgrade("r1"), sql("CREATE SEQUENCE called")),
            right=("current",),
            after={"SELECT is_called FROM called": "f"},
            also=True,
        ),
        form(
            "quoting functions",
            *(
                sql(
                    f"CREATE FUNCTION public.{name}(value name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
                    " PERFORM nextval('public.called'); RETURN value::text; END $$"
                )
                for name in ("quote_ident", "quote_literal")
            ),
        ),
    ),
)
