"""A revision is all that it does to rows, also where an empty database has none; and rows may prove what was done."""

from .case import Case, form, forms, heal, sql, upgrade

NOTES = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'
INDEX = 'op.create_index("notes_title", "notes", ["title"])'
LOOP = """
op.add_column("notes", sa.Column("title", sa.Text))
connection = op.get_bind()
for note in connection.execute(sa.text("SELECT id, text FROM notes")).all():
    values = {"title": note.text[:3], "id": note.id}
    connection.execute(sa.text("UPDATE notes SET title = :title WHERE id = :id"), values)
"""
BEFORE_LOOP = (
    upgrade("r1"),
    sql("INSERT INTO notes (text) VALUES ('first'), ('second'); ALTER TABLE notes ADD COLUMN title text"),
)
TITLES = "SELECT string_agg(title, ',' ORDER BY id) FROM notes"

CASES = (
    *forms(
        Case(
            id="loop-over-rows",
            why="A loop over rows runs nothing on an empty database: that it reads them has its place on the tape.",
            revisions=(NOTES, LOOP, INDEX),
            steps=BEFORE_LOOP,
            right=("refused",),
            says=("r1", "r2"),
            never=("Verified",),
            truth="r1",
            ways=1,
            after={TITLES: "fir,sec"},
        ),
        form("stopped before it"),
    ),
    *forms(
        Case(
            id="loop-chosen",
            why="Who says that the loop hasn't run gets it run, or stays before it; never verified and lost.",
            revisions=(NOTES, LOOP, INDEX),
            steps=BEFORE_LOOP,
            right=("told",),
            after={
                "SELECT (SELECT version_num FROM alembic_version) = 'r1'"
                f" OR ({TITLES}) IS NOT DISTINCT FROM 'fir,sec'": "t"
            },
        ),
        form("assume r1", heal("--assume", "r1")),
    ),
    *forms(
        Case(
            id="autocommit-over-rows",
            why="An autocommit_block leaves the transaction, whether or not it finds a row to do something about.",
            env="transaction_per_migration",
            revisions=(
                NOTES,
                """
with op.get_context().autocommit_block():
    for (note,) in op.get_bind().execute(sa.text("SELECT id FROM notes")).all():
        op.get_bind().execute(sa.text("UPDATE notes SET text = upper(text) WHERE id = :id"), {"id": note})
""",
                'op.add_column("notes", sa.Column("more", sa.Integer))',
            ),
            steps=(upgrade("r1"), sql("INSERT INTO notes (text) VALUES ('low')")),
            right=("healed",),
            after={"SELECT text FROM notes": "LOW"},
        ),
        form("behind"),
    ),
    *forms(
        Case(
            id="commit-by-hand",
            why="Where a revision ends the transaction, nobody says that nothing was changed when something was.",
            revisions=(
                """
op.execute("CREATE TYPE state AS ENUM ('new')")
op.create_table(
    "tasks",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("state", sa.Enum("new", name="state", create_type=False)),
)
""",
                'op.add_column("tasks", sa.Column("level", sa.Integer))',
                """
op.execute("COMMIT")
op.execute("ALTER TYPE state ADD VALUE 'old'")
""",
                'op.execute("ALTER TABLE tasks ADD COLUMN place int NOT NULL")',
            ),
            steps=(upgrade("r1"), sql("INSERT INTO tasks (state) VALUES ('new')")),
            right=("told",),
            never=("nothing was changed",),
        ),
        form("then one that fails"),
    ),
    *forms(
        Case(
            id="error-in-a-revision",
            why="What a revision raises by itself is told in a sentence, with what stays of the segments before it.",
            env="transaction_per_migration",
            revisions=(
                NOTES,
                """
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY notes_text ON notes (text)")
""",
                """
if op.get_bind().scalar(sa.text("SELECT count(*) FROM notes WHERE text IS NULL")):
    raise RuntimeError("give these notes a text")
op.add_column("notes", sa.Column("more", sa.Integer))
""",
            ),
            steps=(upgrade("r1"), sql("INSERT INTO notes DEFAULT VALUES")),
            right=("told",),
            says=("give these notes a text", "r3", "notes_text"),
        ),
        form("after a segment"),
    ),
    *forms(
        Case(
            id="rows-last",
            why="Rows for a table that the revision itself made: they aren't there while it is empty.",
            revisions=(
                'op.create_table("first", sa.Column("id", sa.Integer, primary_key=True))',
                """
kinds = op.create_table("kinds", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))
op.create_index("kinds_name", "kinds", ["name"])
op.bulk_insert(kinds, [{"name": "song"}, {"name": "speech"}])
""",
            ),
            steps=(
                upgrade("r1"),
                sql("CREATE TABLE kinds (id serial PRIMARY KEY, name varchar(20))"),
                sql("CREATE INDEX kinds_name ON kinds (name)"),
            ),
            right=("healed",),
            after={"SELECT string_agg(name, ',' ORDER BY id) FROM kinds": "song,speech"},
        ),
        form("assume r1", heal("--assume", "r1")),
        form("seen by itself"),
    ),
    *forms(
        Case(
            id="tables-called-like-keywords",
            why="GROUP BY reads no table called group: what a statement reads is for PostgreSQL to say.",
            revisions=(
                """
for name in ("group", "order"):
    op.create_table(name, sa.Column("id", sa.Integer, primary_key=True))
""",
                """
if "parts" not in sa.inspect(op.get_bind()).get_table_names():
    op.create_table("parts", sa.Column("id", sa.Integer, primary_key=True), sa.Column("size", sa.Integer))
if not sa.inspect(op.get_bind()).get_indexes("parts"):
    op.create_index("parts_size", "parts", ["size"])
""",
            ),
            steps=(upgrade("r1"), sql("CREATE TABLE parts (id serial PRIMARY KEY, size integer)")),
            right=("healed",),
            after={"SELECT count(*) FROM pg_indexes WHERE indexname = 'parts_size'": "1"},
        ),
        form("index to come"),
    ),
)
