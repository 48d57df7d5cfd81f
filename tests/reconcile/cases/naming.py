"""Where the connection's names resolve, there our objects are; where an extension lies doesn't matter."""

from .case import Case, admin, form, forms, sql, upgrade

PEOPLE = 'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.String(80)))'
NAME = 'op.add_column("people", sa.Column("name", sa.Text))'
ONE = {"SELECT count(*) FROM pg_class WHERE relname = 'people' AND relkind = 'r'": "1"}


def lies_in(schema: str) -> dict[str, str]:
    """That the one table lies in a schema."""
    return ONE | {f"SELECT count(*) FROM pg_tables WHERE tablename = 'people' AND schemaname = '{schema}'": "1"}


WHERE = forms(
    Case(
        id="current-schema",
        why="Alembic and the models look where the connection's search path leads, and so do we: not in `public`.",
        revisions=(PEOPLE,),
        right=("current",),
        after=ONE,
    ),
    form("named like the user", sql('CREATE SCHEMA "{role}"'), upgrade("r1")),
    form("named like the owner", sql('CREATE SCHEMA "{role}"'), upgrade("r1"), role="owner"),
    form(
        "named like the owner, on a fresh database",
        sql('CREATE SCHEMA "{role}"'),
        role="owner",
        right=("healed",),
        holds="any",
    ),
    form(
        "by the role's search path",
        sql("CREATE SCHEMA app; ALTER ROLE {role} SET search_path = app"),
        upgrade("r1"),
        role="owner",
        after=lies_in("app"),
    ),
    form(
        "by the database's search path",
        sql("CREATE SCHEMA app; ALTER DATABASE {database} SET search_path = app, public"),
        upgrade("r1"),
        role="owner",
        after=lies_in("app"),
    ),
    form(
        "by the database's search path, on a fresh database",
        sql("CREATE SCHEMA app; ALTER DATABASE {database} SET search_path = app, public"),
        right=("healed",),
        holds="any",
        after=lies_in("app"),
    ),
    form(
        "by the database's search path, half of a chain",
        sql("CREATE SCHEMA app; ALTER DATABASE {database} SET search_path = app, public"),
        upgrade("r1"),
        sql("ALTER TABLE people ADD COLUMN name text"),
        revisions=(PEOPLE, NAME + '\nop.create_index("people_name", "people", ["name"])'),
        right=("healed",),
        holds="any",
        after=lies_in("app") | {"SELECT schemaname FROM pg_indexes WHERE indexname = 'people_name'": "app"},
    ),
    form(
        "a name that has to be quoted",
        sql('CREATE SCHEMA "My App"; ALTER DATABASE {database} SET search_path = "My App"'),
        upgrade("r1"),
        after=lies_in("My App"),
    ),
    form(
        "public, where nothing may be made",
        admin("REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
        sql('CREATE SCHEMA "{role}"'),
        role="owner",
        right=("healed",),
        holds="any",
    ),
    form(
        "public, where a guest looks who owns nothing",
        admin("CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)"),
        admin(
            "INSERT INTO alembic_version VALUES ('r1'); CREATE TABLE people (id serial PRIMARY KEY, email varchar(80))"
        ),
        admin("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; REVOKE ALL ON SCHEMA public FROM PUBLIC"),
        admin("GRANT USAGE ON SCHEMA public TO {role}"),
        role="guest",
    ),
    form(
        "public, where a guest would have to make something",
        admin("GRANT USAGE ON SCHEMA public TO {role}"),
        role="guest",
        right=("refused",),
        says=("permission denied",),
        after={},
    ),
    form("by env.py", upgrade("r1"), env="given"),
    form(
        "a second one, made later and empty",
        upgrade("r1"),
        sql('CREATE SCHEMA "{role}"'),
        right=("refused", "current"),
    ),
    form(
        "beside a table of the same name",
        sql("CREATE TABLE people (uid uuid PRIMARY KEY, mail text)"),
        sql("CREATE SCHEMA app; ALTER DATABASE {database} SET search_path = app, public"),
        upgrade("r1"),
        sql("ALTER TABLE app.people ADD COLUMN name text"),
        revisions=(PEOPLE, NAME + '\nop.create_index("people_name", "people", ["name"])'),
        right=("healed",),
        holds="any",
        after={
            "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute"
            " WHERE attrelid = 'public.people'::regclass AND attnum > 0": "uid,mail",
            "SELECT string_agg(schemaname, ',') FROM pg_indexes WHERE indexname = 'people_name'": "app",
        },
    ),
    form(
        "of the version table, beside another's of its name",
        sql("CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('cafe01')"),
        upgrade("r1"),
        base="CREATE SCHEMA ours;",
        env="version_schema",
    ),
    form(
        "of the version table alone",
        upgrade("r1"),
        base="CREATE SCHEMA ours;",
        env="version_schema",
    ),
)

BROKEN = """
op.add_column("people", sa.Column("name", sa.Text))
op.execute("INSERT INTO people (name, email) VALUES ('made by a revision', 'made@by.it')")
op.alter_column("people", "email", nullable=False)
"""
INDEX = 'op.create_index("people_email", "people", ["email"])'  # names in ADD COLUMN, Alembic doesn't translate
# What the project's connection brings along is what a revision runs with.
STYLES = forms(
    Case(
        id="connection-of-the-project",
        why="However env.py opens its connection and begins its transaction: a heal is whole, and where Alembic's is.",
        revisions=(PEOPLE, NAME + '\nop.create_index("people_name", "people", ["name"])'),
        right=("healed",),
    ),
    form("begun by the engine", env="begun"),
    form("DDL that isn't said to be transactional", env="not_transactional"),
    form(
        "DDL that isn't said to be transactional, half of a revision",
        upgrade("r1"),
        sql("ALTER TABLE people ADD COLUMN name text"),
        env="not_transactional",
    ),
    form("each statement by itself", env="autocommit"),
    form(
        "each statement by itself, half of a revision",
        upgrade("r1"),
        sql("ALTER TABLE people ADD COLUMN name text"),
        env="autocommit",
    ),
    form(
        "each statement by itself, one that fails",
        upgrade("r1"),
        sql("INSERT INTO people DEFAULT VALUES"),
        env="autocommit",
        revisions=(PEOPLE, BROKEN),
        right=("refused", "told"),
        says=("null values",),
        after={"SELECT count(*) FROM people": "1"},
    ),
    form(
        "a search path that is set as it connects",
        base="CREATE SCHEMA app;",
        env="as_a_role",
        holds="any",
        after=lies_in("app"),
    ),
    form(
        "each statement by itself, with what runs in no transaction",
        upgrade("r1"),
        env="autocommit",
        revisions=(PEOPLE, NAME, 'op.execute("CREATE INDEX CONCURRENTLY people_name ON people (name)")'),
    ),
    form(
        "each statement by itself, on a connection",
        upgrade("r1"),
        env="autocommit on a connection",
    ),
    form(
        "names that are translated",
        base="CREATE SCHEMA app;",
        env="translated_whole",
        revisions=(PEOPLE, INDEX),
        holds="any",
        after=lies_in("app"),
    ),
    form(
        "names that are translated, from the first revision on",
        upgrade("r1"),
        base="CREATE SCHEMA app;",
        env="translated_whole",
        revisions=(PEOPLE, INDEX),
        holds="any",
        after=lies_in("app"),
    ),
    form(
        "names that are translated, and a version that isn't found again",
        base="CREATE SCHEMA app;",
        env="translated",
        recordable=False,
        right=("refused",),
        says=('version_table_schema="app"',),
    ),
)

CITEXT = """
op.execute("CREATE EXTENSION IF NOT EXISTS citext")
op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
"""
GUESTS = """
op.execute("CREATE TABLE guests (id int PRIMARY KEY, email citext, name text)")
op.execute("CREATE INDEX guests_name ON guests USING gin (name gin_trgm_ops)")
"""
ELSEWHERE = forms(
    Case(
        id="extensions-elsewhere",
        why="Hosted services keep extensions in a schema of their own: their types and classes are the same ones.",
        revisions=(CITEXT, GUESTS),
        steps=(
            admin(
                "CREATE SCHEMA addons; CREATE EXTENSION citext SCHEMA addons; CREATE EXTENSION pg_trgm SCHEMA addons"
            ),
            admin('ALTER DATABASE {database} SET search_path = "$user", public, addons'),
        ),
        right=("current",),
        holds="any",
    ),
    form("whole chain there", upgrade("r2")),
    form("first half there", upgrade("r1"), right=("healed",)),
    form("nothing there yet", right=("healed",)),
    form("index lost", upgrade("r2"), sql("DROP INDEX guests_name"), right=("healed",), says=("guests_name",)),
    form(
        "in constraints, defaults and views",
        upgrade("r2"),
        revisions=(
            CITEXT,
            """
op.execute(
    "CREATE TABLE guests (id int PRIMARY KEY, email citext DEFAULT 'none'::citext, name text,"
    " CHECK (email <> ''::citext), CHECK (similarity(name, 'x') < 1))"
)
op.execute("CREATE VIEW known AS SELECT id, email::citext AS email FROM guests WHERE email = 'a'::citext")
op.execute("CREATE FUNCTION mail(citext) RETURNS citext LANGUAGE sql RETURN $1")
op.execute("CREATE INDEX guests_email ON guests (lower(email::text), email)")
""",
        ),
    ),
    form(
        "moved after the chain had run",
        steps=(
            upgrade("r2"),
            admin("CREATE SCHEMA addons"),
            admin("ALTER EXTENSION citext SET SCHEMA addons; ALTER EXTENSION pg_trgm SET SCHEMA addons"),
            admin('ALTER DATABASE {database} SET search_path = "$user", public, addons'),
        ),
    ),
    form(
        "in the schema of the catalogs",
        steps=(
            admin("CREATE EXTENSION citext SCHEMA pg_catalog; CREATE EXTENSION pg_trgm SCHEMA pg_catalog"),
            upgrade("r2"),
        ),
    ),
)

CASES = (*WHERE, *STYLES, *ELSEWHERE)
