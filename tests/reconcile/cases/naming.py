"""Where the connection's names resolve, there our objects are; where an extension lies doesn't matter."""

from .case import Case, admin, form, forms, sql, upgrade

PEOPLE = 'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.String(80)))'

CASES = (
    *forms(
        Case(
            id="current-schema",
            why="Alembic and the models look where the connection's search path leads, and so do we: not in `public`.",
            revisions=(PEOPLE,),
            right=("current",),
            after={"SELECT count(*) FROM pg_class WHERE relname = 'people' AND relkind = 'r'": "1"},
        ),
        form("named like the user", sql('CREATE SCHEMA "{role}"'), upgrade("r1")),
    ),
    *forms(
        Case(
            id="extensions-elsewhere",
            why="Hosted services keep extensions in a schema of their own: their types and classes are the same ones.",
            revisions=(
                """
op.execute("CREATE EXTENSION IF NOT EXISTS citext")
op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
""",
                """
op.execute("CREATE TABLE guests (id int PRIMARY KEY, email citext, name text)")
op.execute("CREATE INDEX guests_name ON guests USING gin (name gin_trgm_ops)")
""",
            ),
            steps=(
                admin("CREATE SCHEMA addons"),
                admin("CREATE EXTENSION citext SCHEMA addons; CREATE EXTENSION pg_trgm SCHEMA addons"),
                admin('ALTER DATABASE {database} SET search_path = "$user", public, addons'),
            ),
            right=("current",),
            also=True,
        ),
        form("whole chain there", upgrade("r2")),
    ),
)
