"""What a revision does where nobody looks: in functions, past SQLAlchemy, behind savepoints, by settings of its own."""

from .case import Case, form, forms, heal, sql, upgrade

NOTES = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'
TITLE = 'op.add_column("notes", sa.Column("title", sa.Text))'
INDEX = 'op.create_index("notes_title", "notes", ["title"])'
FILL = "LANGUAGE plpgsql AS $$ BEGIN UPDATE public.notes SET title = upper(text); END $$"
ROWS = sql("INSERT INTO notes (text) VALUES ('x'), ('y')")
COLUMN = sql("ALTER TABLE notes ADD COLUMN title text")
TITLES = "SELECT string_agg(title, ',' ORDER BY id) FROM notes"
# Each of a chain that makes a column, and fills it where nobody looks.
BY_FUNCTION = "for code in ({!r}, {!r}):\n    op.execute(code)"
BY_DRIVER = """
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY notes_text ON notes (text)")
    cursor = op.get_bind().connection.cursor()
    cursor.execute("SELECT id, text FROM notes")
    for id, text in cursor.fetchall():
        cursor.execute("UPDATE notes SET text = %s WHERE id = %s", (text.upper(), id))
"""


def filled(code: str) -> tuple[str, str, str]:
    """A chain whose second revision makes a column and fills it by some code."""
    return NOTES, f"{TITLE}\n{code}", INDEX


MOVED = forms(
    Case(
        id="moved-unseen",
        why="Whatever reads or writes rows while the chain is recorded, PostgreSQL counts it.",
        revisions=(),
        steps=(upgrade("r1"), ROWS, COLUMN),
        right=("refused",),
        never=("Verified",),
        truth="r1",
        ways=1,
        after={TITLES: "X,Y"},
    ),
    form(
        "by a temporary function",
        revisions=filled(
            BY_FUNCTION.format(f"CREATE FUNCTION pg_temp.fill() RETURNS void {FILL}", "SELECT pg_temp.fill()")
        ),
    ),
    form(
        "by a function that is made, called and dropped at once",
        revisions=filled(
            f'op.execute("CREATE FUNCTION fill() RETURNS void {FILL}; SELECT fill(); DROP FUNCTION fill()")'
        ),
    ),
    form(
        "for rows that the first of two queries gave",
        revisions=filled(
            """
for id, text in op.get_bind().exec_driver_sql("SELECT id, text FROM notes; SELECT 1").all():
    op.execute(f"UPDATE notes SET title = '{text.upper()}' WHERE id = {id}")
"""
        ),
    ),
    form(
        "by the driver, out of a transaction",
        steps=(upgrade("r1"), ROWS, sql("CREATE INDEX notes_text ON notes (text)")),
        revisions=(NOTES, BY_DRIVER, TITLE),
        env="transaction_per_migration",
        after={"SELECT string_agg(text, ',' ORDER BY id) FROM notes": "X,Y"},
    ),
    form(
        "by a statement that speaks of Alembic's table",
        revisions=filled('op.execute("/* see alembic_version */ UPDATE notes SET title = upper(text)")'),
        right=("healed",),
        never=(),
    ),
)

USERS = 'op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text))'
LOGINS = 'op.create_table("logins", sa.Column("id", sa.Integer, primary_key=True))'
LOWER = 'op.execute("UPDATE users SET email = lower(email)")'
ROOT = "op.execute(\"INSERT INTO users (email) VALUES ('root')\")"
MADE = sql("CREATE TABLE logins (id serial PRIMARY KEY)")
UNORDERED = forms(
    Case(
        id="tables-of-create-all",
        why="Where a service makes tables that it misses, what stands behind a statement doesn't prove that it ran.",
        revisions=(USERS, f"{LOWER}\n{LOGINS}"),
        steps=(upgrade("r1"), sql("INSERT INTO users (email) VALUES ('A'), ('B')"), MADE),
        right=("refused",),
        never=("Verified",),
        truth="r1",
        ways=2,
        after={"SELECT string_agg(email, ',' ORDER BY id) FROM users": "a,b"},
    ),
    form("rows to be changed", right=("healed", "refused")),
    form(
        "rows to be changed by what nobody can evaluate",
        revisions=(USERS, f"{LOWER.replace('lower', 'md5')}\n{LOGINS}"),
        right=("healed", "refused"),
        after={},
    ),
    form(
        "rows to be made",
        revisions=(USERS, f"{ROOT}\n{LOGINS}"),
        after={"SELECT count(*) FROM users WHERE email = 'root'": "1"},
    ),
    form(
        "rows that are as they have to be",
        sql("UPDATE users SET email = lower(email)"),
        right=("healed",),
        never=(),
    ),
    form(
        "a column behind it, too",
        sql("ALTER TABLE users ADD COLUMN name text; UPDATE users SET email = 'a' WHERE email = 'A'"),
        revisions=(USERS, f'{LOWER}\n{LOGINS}\nop.add_column("users", sa.Column("name", sa.Text))'),
        right=("healed",),
        never=(),
        truth="",
        after={},
    ),
    form(
        "rows that the service has made as well",
        revisions=(
            USERS,
            f"""
op.create_table("roles", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
{LOWER}
op.execute("INSERT INTO roles (name) VALUES ('admin')")
""",
        ),
        steps=(
            upgrade("r1"),
            sql("INSERT INTO users (email) VALUES ('A'), ('B')"),
            sql("CREATE TABLE roles (id serial PRIMARY KEY, name text); INSERT INTO roles (name) VALUES ('admin')"),
        ),
        right=("refused",),
        truth="",
        after={},
    ),
    form(
        "nothing on record",
        steps=(sql("CREATE TABLE users (id serial PRIMARY KEY, email text)"), MADE),
        revisions=(USERS, ROOT, LOGINS),
        truth="r1",
        after={"SELECT string_agg(email, ',') FROM users": "root"},
    ),
    form(
        "nothing on record, and no rows to change",
        steps=(sql("CREATE TABLE users (id serial PRIMARY KEY, email text)"), MADE),
        right=("healed",),
        never=(),
        truth="",
        after={},
    ),
    form(
        "nothing on record, and rows that were deleted since",
        steps=(upgrade("head"), sql("DELETE FROM settings; DELETE FROM alembic_version")),
        revisions=(
            USERS,
            """
settings = op.create_table("settings", sa.Column("k", sa.Text, primary_key=True))
op.bulk_insert(settings, [{"k": "a"}])
""",
        ),
        truth="r2",
        after={"SELECT count(*) FROM settings": "0"},
    ),
)

SAVEPOINT = """
try:
    with op.get_bind().begin_nested():
        {}
except Exception:
    pass
"""
RECORDED = forms(
    Case(
        id="recorded-all-the-same",
        why="What plain Alembic runs can be recorded, and leaves nothing behind.",
        revisions=(NOTES, TITLE),
        steps=(upgrade("r1"),),
        right=("healed",),
    ),
    form("an error behind a savepoint", revisions=(NOTES, SAVEPOINT.format('op.execute("DROP TABLE nosuch")') + TITLE)),
    form(
        "what was made behind a savepoint, and undone",
        revisions=(
            NOTES,
            SAVEPOINT.format('op.execute("CREATE TABLE tried (id int)"); op.execute("SELECT 1/0")') + TITLE,
            INDEX,
        ),
    ),
    form(
        "what was made behind a savepoint",
        sql("ALTER TABLE notes ADD COLUMN title text"),
        revisions=(NOTES, SAVEPOINT.format(TITLE) + INDEX),
    ),
    form(
        "a role that the chain makes",
        revisions=(
            NOTES,
            TITLE,
            'op.execute("CREATE ROLE {0}; GRANT SELECT ON notes TO {0}; DROP OWNED BY {0}; DROP ROLE {0}")'.format(
                "reads_notes"
            ),
        ),
    ),
    form(
        "an engine of its own, by the address",
        revisions=(
            NOTES,
            f"""
from alembic import context
with sa.create_engine(context.config.get_main_option("sqlalchemy.url")).begin() as own:
    own.execute(sa.text("CREATE TABLE side (id int)"))
{TITLE}
""",
        ),
    ),
    form("settings that are printed", ini="", head='print("loading the settings")\n'),
)

PAIRS = forms(
    Case(
        id="settings-of-a-revision",
        why="What a revision sets for its statements holds for those that are left of it, too.",
        revisions=(),
        right=("healed",),
    ),
    form(
        "a search path",
        sql("CREATE SCHEMA app; CREATE TABLE app.one (id int)"),
        revisions=(
            """
op.execute("CREATE SCHEMA IF NOT EXISTS app")
op.execute("SET LOCAL search_path TO app, public")
op.execute("CREATE TABLE one (id int)")
op.execute("CREATE TABLE two (id int)")
op.execute("SET LOCAL search_path TO public")
""",
        ),
        right=("healed", "refused"),
        after={},
    ),
    form(
        "no look into functions",
        sql("CREATE TABLE q (id int)"),
        revisions=(
            """
op.execute("SET LOCAL check_function_bodies = off")
op.execute("CREATE TABLE q (id int)")
op.execute("CREATE FUNCTION late() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM later $$")
op.execute("CREATE TABLE later (id int)")
""",
        ),
    ),
)

KINDS = """
kinds = op.create_table("kinds", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
kid = op.get_bind().execute(sa.insert(kinds).values(name="default").returning(kinds.c.id)).scalar()
op.add_column("notes", sa.Column("kind", sa.Integer))
op.execute(sa.text("UPDATE notes SET kind = :kid").bindparams(kid=kid))
op.create_index("kinds_name", "kinds", ["name"])
"""
ASKED = forms(
    Case(
        id="asked-what-it-made",
        why="What a statement returned, it can't return again: a revision that asks isn't finished by its own code.",
        revisions=(NOTES, KINDS),
        steps=(
            upgrade("r1"),
            sql("INSERT INTO notes (text) VALUES ('x')"),
            sql("CREATE TABLE kinds (id serial PRIMARY KEY, name text); INSERT INTO kinds (name) VALUES ('default')"),
            sql("ALTER TABLE notes ADD COLUMN kind int"),
        ),
        right=("refused",),
        never=("Verified", "raised"),
        truth="r1",
    ),
    form("half of it", truth=""),
)

TALK = forms(
    Case(
        id="words-that-are-typed",
        why="Names that are alike, and settings of the database, change nothing.",
        revisions=(NOTES, TITLE, INDEX),
        steps=(upgrade("head"),),
        right=("current",),
    ),
    form("all names quoted", sql("ALTER DATABASE {database} SET quote_all_identifiers = on")),
    form(
        "a version table whose name is part of others",
        steps=(sql("CREATE TABLE document_versions (id serial PRIMARY KEY)"),),
        revisions=(
            'op.create_table("document_versions", sa.Column("id", sa.Integer, primary_key=True))',
            'op.add_column("document_versions", sa.Column("title", sa.Text))',
        ),
        env="named versions",
        right=("healed",),
    ),
    form("assumed as it is", heal("--assume", "r3")),
)

GUARDED = """
if "title" not in [column["name"] for column in sa.inspect(op.get_bind()).get_columns("notes")]:
    op.add_column("notes", sa.Column("title", sa.Text))
    op.execute("UPDATE notes SET title = upper(text)")
"""
BRANCHING = forms(
    Case(
        id="code-that-looks-first",
        why="Code that looks before it acts may go another way the second time: then it isn't finished by it.",
        revisions=(NOTES, GUARDED, INDEX),
        steps=(upgrade("r1"), ROWS, COLUMN),
        right=("refused",),
        never=("Verified",),
        truth="r1",
    ),
    form("a column"),
    form(
        "a table",
        steps=(upgrade("r1"), sql("CREATE TABLE kinds (id serial PRIMARY KEY, name text)")),
        revisions=(
            NOTES,
            """
if not sa.inspect(op.get_bind()).has_table("kinds"):
    kinds = op.create_table("kinds", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    op.bulk_insert(kinds, [{"name": "song"}])
""",
        ),
    ),
    form(
        "a loop",
        revisions=(
            NOTES,
            """
if "title" in [column["name"] for column in sa.inspect(op.get_bind()).get_columns("notes")]:
    return
op.add_column("notes", sa.Column("title", sa.Text))
for id, text in op.get_bind().execute(sa.text("SELECT id, text FROM notes")).all():
    op.get_bind().execute(sa.text("UPDATE notes SET title = :t WHERE id = :i"), {"t": text.upper(), "i": id})
""",
            INDEX,
        ),
    ),
)

SEQUENCE = 'op.execute("ALTER SEQUENCE notes_id_seq RESTART WITH 1000")'
UNSEEN = forms(
    Case(
        id="what-no-schema-shows",
        why="What a revision does that no look shows is done again where that is harmless, and else in doubt.",
        revisions=(NOTES, TITLE + '\nop.execute("ALTER TABLE notes REPLICA IDENTITY FULL")'),
        steps=(upgrade("r1"), COLUMN),
        right=("healed",),
        truth="r1",
        after={"SELECT relreplident FROM pg_class WHERE relname = 'notes'": "f"},
    ),
    form("done again"),
    form(
        "done again, with an index to come",
        revisions=(NOTES, f'op.execute("ALTER TABLE notes REPLICA IDENTITY FULL")\n{TITLE}\n{INDEX}'),
    ),
    form(
        "about what was dropped since",
        steps=(upgrade("r2"), sql("UPDATE alembic_version SET version_num = 'r1'")),
        revisions=(
            NOTES,
            """
op.create_table("drafts", sa.Column("id", sa.Integer, primary_key=True))
op.execute("COMMENT ON TABLE drafts IS 'not yet'")
op.execute("ALTER TABLE drafts REPLICA IDENTITY FULL")
op.drop_table("drafts")
op.add_column("notes", sa.Column("title", sa.Text))
""",
        ),
        after={},
    ),
    form(
        "a sequence that begins anew",
        revisions=(NOTES, f"{TITLE}\n{SEQUENCE}"),
        right=("refused",),
        never=("Verified",),
        after={"SELECT nextval('notes_id_seq')": "1000"},
    ),
    form(
        "statistics",
        revisions=(NOTES, f'{TITLE}\nop.execute("CREATE STATISTICS pair ON text, title FROM notes")'),
        right=("refused",),
        never=("Verified",),
        after={"SELECT count(*) FROM pg_statistic_ext": "1"},
    ),
)

STATS = 'op.create_table("stats", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))'
NAMESAKES = forms(
    Case(
        id="somebody-elses-table",
        why="A table that bears the name of ours and was never ours is left alone, whatever the chain would make.",
        revisions=(NOTES, STATS),
        steps=(upgrade("r1"), sql("CREATE TABLE stats (day date, hits bigint); INSERT INTO stats VALUES (now(), 1)")),
        right=("refused",),
        says=("stats", "another's has the name"),
        never=("Verified", "DROP", "ALTER"),
        holds="any",
    ),
    form("of other columns"),
    form(
        "with a key of its own",
        steps=(upgrade("r1"), sql("CREATE TABLE stats (uid uuid PRIMARY KEY, payload jsonb NOT NULL)")),
    ),
    form(
        "nothing on record",
        steps=(sql("CREATE TABLE stats (uid uuid PRIMARY KEY, payload jsonb NOT NULL)"),),
    ),
)

DEFERRED = """
op.add_column("nodes", sa.Column("name", sa.Text))
op.execute("INSERT INTO nodes (id, next) VALUES (1, 2)")
op.execute("INSERT INTO nodes (id, next) VALUES (2, 1)")
"""
RUNS = forms(
    Case(
        id="runs-as-alembic-runs-it",
        why="A chain that plain Alembic runs on a database that is behind, a heal runs as well.",
        revisions=(NOTES, TITLE),
        steps=(upgrade("r1"),),
        right=("healed",),
    ),
    form(
        "keys that are checked at the end",
        revisions=(
            """
op.execute("CREATE TABLE nodes (id int PRIMARY KEY, next int REFERENCES nodes DEFERRABLE INITIALLY DEFERRED)")
""",
            DEFERRED,
        ),
    ),
    form(
        "a verify() that fails",
        sql("INSERT INTO notes (text) VALUES ('x')"),
        COLUMN,
        revisions=(NOTES, f"{TITLE}\nop.execute(\"UPDATE notes SET title = upper(text) WHERE text <> md5('a')\")"),
        head="def verify(connection):\n    raise ValueError('not yet')\n\n\n",
        right=("healed", "refused"),
        truth="r1",
    ),
)

NAME = 'op.add_column("users", sa.Column("name", sa.Text, nullable=False))'
NO_NAME = 'op.drop_column("users", "name")'
MAIL = 'op.alter_column("users", "email", new_column_name="mail")'
AGAIN = forms(
    Case(
        id="there-again",
        why="What the chain has dropped, and somebody has put there again, rejects nothing of ours and stays.",
        revisions=(USERS, MAIL),
        steps=(upgrade("head"), sql("INSERT INTO users (mail) VALUES ('a')")),
        right=("current",),
        holds="any",
    ),
    form("a column", sql("ALTER TABLE users ADD COLUMN email text")),
    form("a column that is computed", sql("ALTER TABLE users ADD COLUMN email text GENERATED ALWAYS AS (mail) STORED")),
    form(
        "a column that has to be given",
        sql("ALTER TABLE users ADD COLUMN email text; UPDATE users SET email = mail"),
        sql("ALTER TABLE users ALTER email SET NOT NULL"),
        right=("refused",),
    ),
    form(
        "a table",
        revisions=(USERS, 'op.rename_table("users", "people")'),
        steps=(
            upgrade("head"),
            sql("CREATE TABLE users AS SELECT * FROM people; ALTER TABLE users ADD PRIMARY KEY (id)"),
        ),
    ),
    form(
        "a column that had to be given, and hasn't to be now",
        sql("ALTER TABLE users ADD COLUMN name text"),
        revisions=(
            USERS + '\nop.add_column("users", sa.Column("name", sa.Text, nullable=False))',
            f"{MAIL}\n{NO_NAME}",
        ),
    ),
    form(
        "a column that had to be given, and has to be again",
        sql("ALTER TABLE users ADD COLUMN name text NOT NULL DEFAULT 'x'; ALTER TABLE users ALTER name DROP DEFAULT"),
        revisions=(
            USERS + '\nop.add_column("users", sa.Column("name", sa.Text, nullable=False))',
            f"{MAIL}\n{NO_NAME}",
        ),
        right=("refused",),
    ),
    form(
        "a table, and an index of ours is lost",
        revisions=(f'{USERS}\nop.create_index("mails", "users", ["email"])', 'op.rename_table("users", "people")'),
        steps=(
            upgrade("head"),
            sql("DROP INDEX mails; CREATE TABLE users AS SELECT * FROM people; ALTER TABLE users ADD PRIMARY KEY (id)"),
        ),
        right=("healed",),
        never=("DROP",),
    ),
)

CASES = (*MOVED, *UNORDERED, *RECORDED, *PAIRS, *ASKED, *TALK, *BRANCHING, *UNSEEN, *NAMESAKES, *RUNS, *AGAIN)
