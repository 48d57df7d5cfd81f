"""A revision is all that it does to rows, also where an empty database has none to do anything about."""

from .case import Case, admin, form, forms, heal, sql, upgrade

NOTES = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'
INDEX = 'op.create_index("notes_title", "notes", ["title"])'
TITLE = 'op.add_column("notes", sa.Column("title", sa.Text))'
BODY = """
connection = op.get_bind()
{setup}
for id, text in {rows}:
    values = {{"title": text[:3], "id": id}}
    connection.execute(sa.text("UPDATE notes SET title = :title WHERE id = :id"), values)
"""


def reading(rows: str, *, setup: str = "", before: str = "") -> tuple[str, str, str]:
    """A chain whose second revision goes over rows that it gets by an expression."""
    return NOTES + before, TITLE + BODY.format(setup=setup, rows=rows), INDEX


def querying(query: str, *, before: str = "") -> tuple[str, str, str]:
    """The same, by a query."""
    return reading(f"connection.execute(sa.text({query!r})).all()", before=before)


def filling(code: str) -> tuple[str, str, str]:
    """A chain whose second revision fills the new column by some code."""
    return NOTES, f"{TITLE}\n{code}", INDEX


LOOPS = forms(
    Case(
        id="loop-over-rows",
        why="A loop over rows runs nothing on an empty database: that it reads them has its place on the tape.",
        revisions=querying("SELECT id, text FROM notes"),
        steps=(
            upgrade("r1"),
            sql("INSERT INTO notes (text) VALUES ('first'), ('second'); ALTER TABLE notes ADD COLUMN title text"),
        ),
        right=("refused",),
        says=("r1", "r2"),
        never=("Verified",),
        truth="r1",
        ways=1,
        after={"SELECT string_agg(title, ',' ORDER BY id) FROM notes": "fir,sec"},
    ),
    form("stopped before it"),
    form("without a version", sql("DELETE FROM alembic_version")),
    form("stopped in it", sql("UPDATE notes SET title = 'fir' WHERE text = 'first'"), truth="", after={}),
    form(
        "by an ORM session",
        revisions=reading(
            'Session(connection).execute(sa.text("SELECT id, text FROM notes")).all()',
            setup="from sqlalchemy.orm import Session",
        ),
    ),
    form(
        "by a table's columns",
        revisions=reading(
            "connection.execute(sa.select(*notes.c)).all()",
            setup='notes = sa.table("notes", sa.column("id"), sa.column("text"))',
        ),
    ),
    form(
        "by the driver's cursor",
        revisions=reading(
            'cursor.execute("SELECT id, text FROM notes").fetchall()',
            setup="cursor = connection.connection.cursor()",
        ),
    ),
    form(
        "by COPY",
        revisions=reading(
            "rows",
            setup="""
with connection.connection.cursor().copy("COPY notes (id, text) TO STDOUT") as copy:
    copy.set_types(["int4", "text"])
    rows = list(copy.rows())
""",
        ),
    ),
    form("by the statement TABLE", revisions=querying("SELECT id, text FROM (TABLE notes) AS n")),
    form("with a lock", revisions=querying("SELECT id, text FROM notes FOR UPDATE")),
    form("in parentheses", revisions=querying("(SELECT id, text FROM notes ORDER BY id LIMIT 100)")),
    form(
        "by a union of limited queries",
        revisions=reading(
            "connection.execute(sa.union_all(notes.limit(1), notes.offset(1))).all()",
            setup="""
columns = sa.column("id"), sa.column("text")
notes = sa.select(*columns).select_from(sa.table("notes", *columns)).order_by("id")
""",
        ),
    ),
    form(
        "by a prepared query",
        revisions=reading(
            'connection.execute(sa.text("EXECUTE written")).all()',
            setup='op.execute("PREPARE written AS SELECT id, text FROM notes")',
        ),
    ),
    form(
        "by a cursor of the server",
        revisions=reading(
            "rows",
            setup="""
op.execute("DECLARE written CURSOR FOR SELECT id, text FROM notes")
rows = connection.execute(sa.text("FETCH ALL FROM written")).all()
op.execute("CLOSE written")
""",
        ),
    ),
    form(
        "in a stream",
        revisions=reading(
            "rows",
            setup="""
query, options = sa.text("SELECT id, text FROM notes"), {"stream_results": True}
rows = connection.execute(query, execution_options=options).all()
""",
        ),
    ),
    form(
        "over a temporary copy",
        revisions=reading(
            'connection.execute(sa.text("SELECT id, text FROM copied")).all()',
            setup="""
op.execute("CREATE TEMPORARY TABLE copied (id int, text text) ON COMMIT DROP")
op.execute("INSERT INTO copied SELECT id, text FROM notes")
""",
        ),
    ),
    form("with a comment between", revisions=querying('SELECT id, text FROM/**/ONLY public."notes" AS "where"')),
    form("in a common table expression", revisions=querying("WITH n AS (TABLE notes) SELECT id, text FROM n")),
    form(
        "through a view",
        revisions=querying(
            "SELECT id, text FROM written",
            before='\nop.execute("CREATE VIEW written AS SELECT id, text FROM notes")',
        ),
    ),
    form(
        "through a function",
        revisions=querying(
            "SELECT id, text FROM written()",
            before='''
op.execute(
    """
    CREATE FUNCTION written() RETURNS SETOF notes LANGUAGE plpgsql AS $$
    BEGIN RETURN QUERY SELECT * FROM notes; END $$
    """
)
''',
        ),
    ),
    form(
        "over another table",
        sql("""INSERT INTO attic."Odd Notes" SELECT id, text FROM notes"""),
        revisions=querying(
            'SELECT id, text FROM attic."Odd Notes"',
            before="""
op.execute("CREATE SCHEMA attic")
op.execute('CREATE TABLE attic."Odd Notes" (id int, text text)')
""",
        ),
    ),
    form(
        "row by row until there is none",
        revisions=filling(
            """
connection = op.get_bind()
while row := connection.execute(sa.text("SELECT id, text FROM notes WHERE title IS NULL LIMIT 1")).first():
    values = {"title": row.text[:3], "id": row.id}
    connection.execute(sa.text("UPDATE notes SET title = :title WHERE id = :id"), values)
"""
        ),
    ),
    form(
        "only where there are rows",
        revisions=filling(
            """
if op.get_bind().scalar(sa.text("SELECT count(*) FROM notes")):
    op.execute("UPDATE notes SET title = left(text, 3)")
"""
        ),
    ),
    form(
        "only where there is one",
        revisions=filling(
            """
if op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM notes)")):
    op.execute("UPDATE notes SET title = left(text, 3)")
"""
        ),
    ),
    form(
        "on the server",
        revisions=filling(
            '''
op.execute(
    """
    DO $block$ DECLARE note record; BEGIN
        FOR note IN SELECT * FROM notes LOOP
            UPDATE notes SET title = left(note.text, 3) WHERE id = note.id;
        END LOOP;
    END $block$
    """
)
'''
        ),
        right=("refused", "healed"),
        never=(),
    ),
    form(
        "rows that are only counted",
        sql("CREATE INDEX notes_title ON notes (title)"),
        revisions=filling('print(op.get_bind().scalar(sa.text("SELECT count(*) FROM notes")))'),
        right=("refused", "healed"),
        says=(),
        never=(),
        ways=0,
        after={},
    ),
)

CHOSEN = forms(
    Case(
        id="loop-chosen",
        why="Who says that the loop hasn't run gets it run, or stays before it; never verified and lost.",
        revisions=querying("SELECT id, text FROM notes"),
        steps=(
            upgrade("r1"),
            sql("INSERT INTO notes (text) VALUES ('first'), ('second'); ALTER TABLE notes ADD COLUMN title text"),
        ),
        right=("told",),
        after={
            "SELECT (SELECT version_num FROM alembic_version) = 'r1'"
            " OR (SELECT string_agg(title, ',' ORDER BY id) FROM notes) IS NOT DISTINCT FROM 'fir,sec'": "t"
        },
    ),
    form("assume r1", heal("--assume", "r1")),
    form("assume r1, with the index", sql("CREATE INDEX notes_title ON notes (title)"), heal("--assume", "r1")),
    form(
        "assume r1, by the driver's cursor",
        heal("--assume", "r1"),
        revisions=reading(
            'cursor.execute("SELECT id, text FROM notes").fetchall()',
            setup="cursor = connection.connection.cursor()",
        ),
    ),
    form(
        "assume r2, the loop has run",
        sql("UPDATE notes SET title = left(text, 3)"),
        heal("--assume", "r2"),
        right=("healed",),
    ),
    form("assume r1, twice", heal("--assume", "r1"), heal("--assume", "r1")),
)

# A loop that is a revision for itself leaves no trace in the schema at all.
ALONE = forms(
    Case(
        id="loop-alone",
        why="A revision that only moves rows can't be seen: the version on record decides, and without one nobody.",
        revisions=(
            NOTES + "\n" + TITLE,
            BODY.format(setup="", rows='connection.execute(sa.text("SELECT id, text FROM notes")).all()'),
            INDEX,
        ),
        steps=(upgrade("r1"), sql("INSERT INTO notes (text) VALUES ('first'), ('second')")),
        right=("healed",),
        truth="r1",
        after={"SELECT string_agg(title, ',' ORDER BY id) FROM notes": "fir,sec"},
    ),
    form("on record"),
    form(
        "no version on record",
        sql("DELETE FROM alembic_version"),
        right=("refused",),
        says=("r1", "r2"),
        never=("Verified",),
        ways=1,
    ),
    form(
        "what comes after it is there",
        sql("CREATE INDEX notes_title ON notes (title)"),
        right=("refused",),
        never=("Verified",),
        ways=1,
    ),
)

BLOCK = """
with op.get_context().autocommit_block():
    for (note,) in op.get_bind().execute(sa.text("SELECT id FROM notes")).all():
        op.get_bind().execute(sa.text("UPDATE notes SET text = upper(text) WHERE id = :id"), {"id": note})
"""
MORE = 'op.add_column("notes", sa.Column("more", sa.Integer))'
AUTOCOMMIT = forms(
    Case(
        id="autocommit-over-rows",
        why="An autocommit_block leaves the transaction, whether or not it finds a row to do something about.",
        env="transaction_per_migration",
        revisions=(NOTES, BLOCK, MORE),
        steps=(upgrade("r1"), sql("INSERT INTO notes (text) VALUES ('low')")),
        right=("healed",),
        after={"SELECT text FROM notes": "LOW"},
    ),
    form("behind"),
    form("in one transaction", env="template"),
    form("with columns before and after", revisions=(NOTES, TITLE + BLOCK + MORE, INDEX)),
    form("at the head", revisions=(NOTES, BLOCK)),
    form(
        "an index for each row",
        revisions=(
            NOTES,
            """
with op.get_context().autocommit_block():
    for (note,) in op.get_bind().execute(sa.text("SELECT lower(text) FROM notes")).all():
        op.execute(f"CREATE INDEX CONCURRENTLY notes_{note} ON notes (id)")
""",
            MORE,
        ),
        holds="more",
        after={"SELECT count(*) FROM pg_index WHERE indexrelid = 'notes_low'::regclass AND indisvalid": "1"},
    ),
    form(
        "entered only where there are rows",
        revisions=(
            NOTES,
            'if op.get_bind().scalar(sa.text("SELECT count(*) FROM notes")):'
            + BLOCK.replace("\n", "\n    ").rstrip(" "),
            MORE,
        ),
        right=("healed", "refused"),
        says=(),
    ),
    form(
        "that does nothing at all",
        revisions=(NOTES, "with op.get_context().autocommit_block():\n    pass", MORE),
        after={"SELECT text FROM notes": "low"},
    ),
    form(
        "for VACUUM",
        revisions=(
            NOTES,
            'with op.get_context().autocommit_block():\n    op.execute("VACUUM notes")',
            MORE,
        ),
        after={"SELECT text FROM notes": "low"},
    ),
)

BESIDE = """
with op.get_context().autocommit_block():
    op.create_index("notes_text", "notes", ["text"], postgresql_concurrently=True)
    op.create_index("notes_once", "notes", [sa.text("lower(text)")], unique=True, postgresql_concurrently=True)
"""
HALVES = forms(
    Case(
        id="autocommit-in-part",
        why="What an autocommit_block has made stays when it is killed: it is finished, in whatever order it was made.",
        env="transaction_per_migration",
        revisions=(NOTES, BESIDE, MORE),
        steps=(upgrade("r1"), sql("INSERT INTO notes (text) VALUES ('low')")),
        right=("healed",),
        after={"SELECT count(*) FROM pg_index WHERE indexrelid = 'notes_once'::regclass AND indisvalid": "1"},
    ),
    form("the first", sql("CREATE INDEX notes_text ON notes (text)")),
    form("the second", sql("CREATE UNIQUE INDEX notes_once ON notes (lower(text))")),
    form(
        "the second, as its build was killed",
        sql("CREATE INDEX notes_text ON notes (text); CREATE UNIQUE INDEX notes_once ON notes (lower(text))"),
        admin("UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = 'notes_once'::regclass"),
    ),
)

STATES = """
op.execute("CREATE TYPE state AS ENUM ('new')")
op.create_table(
    "tasks",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("state", sa.Enum("new", name="state", create_type=False)),
)
"""
LEVEL = 'op.add_column("tasks", sa.Column("level", sa.Integer))'
LABEL = "op.execute(\"ALTER TYPE state ADD VALUE 'old'\")"
IMPOSSIBLE = 'op.execute("ALTER TABLE tasks ADD COLUMN place int NOT NULL")'
POSSIBLE = 'op.execute("ALTER TABLE tasks ADD COLUMN place int")'


def committing(commit: str, last: str = POSSIBLE, *, after: str = "") -> tuple[str, ...]:
    """A chain whose third revision ends the transaction before it adds a label."""
    return STATES, LEVEL, f"{commit}\n{LABEL}\n{after}", last


COMMIT = 'op.execute("COMMIT")'
LABELS = {"SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum": "new,old"}
COMMITS = forms(
    Case(
        id="commit-by-hand",
        why="Where a revision ends the transaction, nobody says that nothing was changed when something was.",
        revisions=committing(COMMIT),
        steps=(upgrade("r1"), sql("INSERT INTO tasks (state) VALUES ('new')")),
        right=("healed", "told"),
        after=LABELS,
    ),
    form(
        "then one that fails",
        revisions=committing(COMMIT, IMPOSSIBLE),
        right=("told",),
        never=("nothing was changed",),
        after={},
    ),
    form("then one that runs"),
    form("in small letters", revisions=committing('op.execute("  commit ;")')),
    form("as END", revisions=committing('op.execute("END")')),
    form("with a new transaction begun after it", revisions=committing(COMMIT, after='op.execute("BEGIN")')),
    form("by the driver", revisions=committing("op.get_bind().connection.commit()")),
    form("behind a comment", revisions=committing('op.execute("/* first */ COMMIT")')),
    form(
        "then one that fails, by the driver",
        revisions=committing("op.get_bind().connection.commit()", IMPOSSIBLE),
        right=("told",),
        never=("nothing was changed",),
        after={},
    ),
    form("in a transaction for each", env="transaction_per_migration"),
    form("stopped after it", upgrade("r2"), sql("ALTER TYPE state ADD VALUE 'old'")),
    form(
        "stopped between it and rows",
        upgrade("r2"),
        sql("ALTER TYPE state ADD VALUE 'old'"),
        revisions=committing(COMMIT, after=f"{COMMIT}\nop.execute(\"UPDATE tasks SET state = 'old'\")"),
        right=("refused", "healed"),
        truth="r2",
        after={"SELECT state FROM tasks": "old"},
    ),
)

RAISING = """
if op.get_bind().scalar(sa.text("SELECT count(*) FROM notes WHERE text IS NULL")):
    {}
op.add_column("notes", sa.Column("more", sa.Integer))
"""
CONCURRENT = """
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY notes_text ON notes (text)")
"""
ERROR = 'raise RuntimeError("give these notes a text")'
ERRORS = forms(
    Case(
        id="error-in-a-revision",
        why="What a revision raises by itself is told in a sentence, with its place and what stays of the rest.",
        revisions=(NOTES, CONCURRENT, RAISING.format(ERROR)),
        env="transaction_per_migration",
        steps=(upgrade("r1"), sql("INSERT INTO notes DEFAULT VALUES")),
        right=("told",),
    ),
    form("after a segment", says=("give these notes a text", "r3.py", "notes_text"), never=("nothing was changed",)),
    form(
        "in one transaction",
        revisions=(NOTES, MORE, RAISING.replace("more", "most").format(ERROR)),
        env="template",
        right=("refused",),
        says=("give these notes a text", "r3.py"),
    ),
    form(
        "without a word",
        revisions=(NOTES, RAISING.format("assert False")),
        right=("refused",),
        says=("AssertionError", "r2.py"),
    ),
    form(
        "in many lines",
        revisions=(NOTES, RAISING.format('raise ValueError("first line\\nsecond line")')),
        right=("refused",),
        says=("first line", "r2.py"),
    ),
    form(
        "that ends the interpreter",
        revisions=(NOTES, RAISING.format('raise SystemExit("this can not go on")')),
        says=("this can not go on",),
        after={"SELECT count(*) FROM pg_attribute WHERE attname = 'more'": "0"},
    ),
    form(
        "of something that isn't there",
        revisions=(NOTES, RAISING.format("{}['key']")),
        right=("refused",),
        says=("key", "r2.py"),
    ),
    form(
        "of PostgreSQL",
        revisions=(NOTES, 'op.alter_column("notes", "text", nullable=False)'),
        right=("refused",),
        says=("null values", "r2"),
    ),
    form(
        "when it is recorded",
        revisions=(NOTES, f"import os\n{MORE}\nos.environ['TENANT_OF_NOBODY']"),
        steps=(),
        recordable=False,
        right=("refused",),
        says=("TENANT_OF_NOBODY", "r2.py"),
    ),
    form(
        "when it is imported",
        revisions=(NOTES,),
        head="import a_module_of_nobody\n",
        steps=(),
        recordable=False,
        right=("refused",),
        says=("a_module_of_nobody", "r1.py"),
    ),
    form(
        "of env.py",
        revisions=(NOTES,),
        env='raise RuntimeError("no address is configured")',
        steps=(),
        recordable=False,
        right=("refused",),
        says=("no address is configured", "env.py"),
    ),
)

PARTS = """
if "parts" not in sa.inspect(op.get_bind()).get_table_names():
    op.create_table("parts", sa.Column("id", sa.Integer, primary_key=True), sa.Column("size", sa.Integer))
if not sa.inspect(op.get_bind()).get_indexes("parts"):
    op.create_index("parts_size", "parts", ["size"])
"""


def tables(*names: str) -> str:
    """The body of a revision that makes tables of some names."""
    return "".join(f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True))\n' for name in names)


def asking(query: str) -> str:
    """The body of a revision that asks something first."""
    return f"op.get_bind().execute(sa.text({query!r})).all()\n{PARTS}"


KEYWORDS = forms(
    Case(
        id="tables-called-like-keywords",
        why="GROUP BY reads no table called group: what a statement reads is for PostgreSQL to say.",
        revisions=(tables("group", "order"), PARTS),
        steps=(upgrade("r1"), sql("CREATE TABLE parts (id serial PRIMARY KEY, size integer)")),
        right=("healed",),
        after={"SELECT count(*) FROM pg_indexes WHERE indexname = 'parts_size'": "1"},
    ),
    form("group and order"),
    form("with rows in them", sql('INSERT INTO "group" VALUES (1)')),
    form("where, select and user", revisions=(tables("where", "select", "user", "values"), PARTS)),
    form(
        "like a view of the catalogs",
        revisions=(
            tables("columns", "tables", "pg_tables_of_mine"),
            asking("SELECT column_name FROM information_schema.columns, information_schema.tables"),
        ),
    ),
    form(
        "like words in a comment or a string",
        revisions=(tables("crate", "box"), asking("SELECT 'from crate' /* , box */ -- box")),
    ),
    form("like a function", revisions=(tables("now", "version"), asking("SELECT now(), version()"))),
    form("like a catalog's columns", revisions=(tables("relname", "oid"), asking("SELECT relname, oid FROM pg_class"))),
)

CASES = (*LOOPS, *CHOSEN, *ALONE, *AUTOCOMMIT, *HALVES, *COMMITS, *ERRORS, *KEYWORDS)
