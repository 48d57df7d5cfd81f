"""What rows prove: a table that the revision made and that is empty, a column that it added and nobody has filled.

The proof goes one way, and is looked for without a change; where there is none, nobody guesses.
"""

from .case import Case, form, forms, heal, sql, upgrade

FIRST = 'op.create_table("first", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))'
KINDS = "kinds = " + FIRST.replace("first", "kinds")
INDEX = 'op.create_index("kinds_name", "kinds", ["name"])'
INSERT = 'op.bulk_insert(kinds, [{"name": "song"}, {"name": "speech"}])'
TABLE = sql("CREATE TABLE kinds (id serial PRIMARY KEY, name varchar(20))")
INDEXED = sql("CREATE INDEX kinds_name ON kinds (name)")
NAMES = "SELECT string_agg(name, ',' ORDER BY name) FROM kinds"
SELECTED = """
op.execute("INSERT INTO kinds (name) SELECT name FROM first")
"""

INSERTS = forms(
    Case(
        id="rows-last",
        why="Rows for a table that the revision itself made: they aren't there while it is empty.",
        revisions=(FIRST, f"{KINDS}\n{INDEX}\n{INSERT}"),
        steps=(upgrade("r1"), TABLE, INDEXED),
        right=("healed",),
        truth="r1",
        after={NAMES: "song,speech"},
    ),
    form("assume r1", heal("--assume", "r1")),
    form("seen by itself"),
    form("index to come as well", steps=(upgrade("r1"), TABLE)),
    form(
        "rows before the index",
        revisions=(FIRST, f"{KINDS}\n{INSERT}\n{INDEX}"),
        right=("healed", "refused"),
    ),
    form(
        "as a statement",
        revisions=(FIRST, f"{KINDS}\n{INDEX}\nop.execute(\"INSERT INTO kinds (name) VALUES ('song'), ('speech')\")"),
    ),
    form(
        "taken from another table",
        sql("INSERT INTO first (name) VALUES ('song'), ('speech')"),
        revisions=(FIRST, f"{KINDS}\n{INDEX}\n{SELECTED}"),
    ),
    form(
        "taken from another table that is empty",
        revisions=(FIRST, f"{KINDS}\n{INDEX}\n{SELECTED}"),
        after={"SELECT count(*) FROM kinds": "0"},
    ),
    form("then more of the chain", revisions=(FIRST, f"{KINDS}\n{INDEX}\n{INSERT}", FIRST.replace("first", "second"))),
    form(
        "for two tables, one of them filled",
        sql("CREATE TABLE moods (id serial PRIMARY KEY, name text)"),
        sql("INSERT INTO kinds (name) VALUES ('song'), ('speech')"),
        revisions=(
            FIRST,
            f"""
{KINDS}
{INDEX}
moods = op.create_table("moods", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
{INSERT}
op.bulk_insert(moods, [{{"name": "glad"}}])
""",
        ),
        right=("healed", "refused"),
        truth="",
        after={NAMES: "song,speech", "SELECT string_agg(name, ',') FROM moods": "glad"},
    ),
    form(
        "all there but the version",
        sql("INSERT INTO kinds (name) VALUES ('song'), ('speech')"),
        right=("healed", "refused"),
        truth="r2",
    ),
    form(
        "others have written meanwhile",
        sql("INSERT INTO kinds (name) VALUES ('noise')"),
        right=("refused",),
        never=("Verified",),
        ways=1,
        after={NAMES: "noise,song,speech"},
    ),
    form(
        "a table that was there before the revision",
        steps=(upgrade("r1"), sql("ALTER TABLE first ADD COLUMN more int")),
        revisions=(
            FIRST,
            """
op.add_column("first", sa.Column("more", sa.Integer))
op.execute("INSERT INTO first (name) VALUES ('song')")
op.create_index("first_name", "first", ["name"])
""",
        ),
        right=("healed", "refused"),
        after={"SELECT string_agg(name, ',') FROM first": "song"},
    ),
)


def copying(statement: str) -> tuple[str, str]:
    """A chain whose second revision makes a table of the rows of another, and an index on it."""
    return FIRST, f'op.execute({statement!r})\nop.create_index("copies_name", "copies", ["name"])'


COPY = forms(
    Case(
        id="table-made-of-rows",
        why="A table and its rows are made by one statement: where the one is, the other is.",
        revisions=copying("SELECT id, name INTO copies FROM first"),
        steps=(upgrade("r1"), sql("INSERT INTO first (name) VALUES ('song')")),
        right=("healed",),
        after={"SELECT string_agg(name, ',') FROM copies": "song"},
    ),
    form("SELECT INTO, behind"),
    form("SELECT INTO, index to come", sql("SELECT id, name INTO copies FROM first")),
    form(
        "CREATE TABLE AS, index to come",
        sql("CREATE TABLE copies AS SELECT id, name FROM first"),
        revisions=copying("CREATE TABLE copies AS SELECT id, name FROM first"),
    ),
    form(
        "a view that keeps its rows",
        sql("CREATE MATERIALIZED VIEW copies AS SELECT id, name FROM first"),
        revisions=copying("CREATE MATERIALIZED VIEW copies AS SELECT id, name FROM first"),
    ),
)

NOTES = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'
TITLE = 'op.add_column("notes", sa.Column("title", sa.Text))'
TITLES = 'op.create_index("notes_title", "notes", ["title"])'
UPDATE = 'op.execute("UPDATE notes SET title = upper(text)")'
TITLED = sql("ALTER TABLE notes ADD COLUMN title text")
READ = "SELECT string_agg(title, ',' ORDER BY id) FROM notes"


def revision(*lines: str) -> tuple[str, str]:
    """A chain whose second revision is made of these lines."""
    return NOTES, "\n".join(lines)


FILLED = sql("UPDATE notes SET title = upper(text)")

UPDATES = forms(
    Case(
        id="column-filled",
        why="The column that the revision added is NULL in every row, and its UPDATE would have filled it.",
        revisions=revision(TITLE, UPDATE, TITLES),
        steps=(upgrade("r1"), sql("INSERT INTO notes (text) VALUES ('x'), ('y')"), TITLED),
        right=("healed",),
        truth="r1",
        after={READ: "X,Y"},
    ),
    form("not yet"),
    form("not yet, assume r1", heal("--assume", "r1")),
    form(
        "not yet, with more to come",
        revisions=(*revision(TITLE, UPDATE, TITLES), 'op.add_column("notes", sa.Column("more", sa.Integer))'),
    ),
    form("then not null", revisions=revision(TITLE, UPDATE, 'op.alter_column("notes", "title", nullable=False)')),
    form(
        "by SQLAlchemy",
        revisions=revision(
            TITLE,
            'notes = sa.table("notes", sa.column("title"), sa.column("text"))',
            "op.execute(notes.update().values(title=sa.func.upper(notes.c.text)))",
            TITLES,
        ),
    ),
    form(
        "from another table",
        revisions=revision(
            TITLE,
            'op.execute("UPDATE notes SET title = name FROM names WHERE names.id = notes.id")',
            TITLES,
        ),
        base="CREATE TABLE names (id int, name text);",
        steps=(
            upgrade("r1"),
            sql("INSERT INTO notes (text) VALUES ('x'), ('y'); INSERT INTO names VALUES (1, 'X'), (2, 'Y')"),
            TITLED,
        ),
        right=("healed", "refused"),
    ),
    form("no row to fill", sql("DELETE FROM notes"), after={"SELECT count(*) FROM notes": "0"}),
    form("done", FILLED, right=("healed", "refused"), truth=""),
    form(
        "done, but for rows that came later",
        FILLED,
        sql("INSERT INTO notes (text, title) VALUES ('z', NULL)"),
        right=("healed", "refused"),
        truth="",
        after={"SELECT string_agg(title, ',' ORDER BY id) FROM notes WHERE text < 'z'": "X,Y"},
    ),
    form(
        "of rows of which there is none",
        revisions=revision(TITLE, "op.execute(\"UPDATE notes SET title = 'long' WHERE text LIKE 'zz%'\")", TITLES),
        right=("healed", "refused"),
        after={"SELECT count(title) FROM notes": "0"},
    ),
    form(
        "with what may be null",
        revisions=revision(TITLE, "op.execute(\"UPDATE notes SET title = nullif(upper(text), 'X')\")", TITLES),
        right=("healed", "refused"),
        after={READ: "Y"},
    ),
)

UNKNOWN = forms(
    Case(
        id="no-proof",
        why="What a statement did to a column that was there before can't be read off the rows: nobody guesses.",
        revisions=revision(TITLE, "op.execute(\"UPDATE notes SET text = text || '!'\")", TITLES),
        steps=(upgrade("r1"), sql("INSERT INTO notes (text) VALUES ('x'), ('y')"), TITLED),
        right=("refused",),
        says=("r1", "r2"),
        never=("Verified",),
        truth="r1",
        ways=1,
        after={"SELECT string_agg(text, ',' ORDER BY id) FROM notes": "x!,y!"},
    ),
    form("not yet"),
    form("done", sql("UPDATE notes SET text = text || '!'"), truth="r2"),
    form(
        "rows deleted",
        revisions=revision(TITLE, "op.execute(\"DELETE FROM notes WHERE text = 'x'\")", TITLES),
        right=("refused", "healed"),
        says=(),
        never=(),
        ways=0,
        after={"SELECT string_agg(text, ',' ORDER BY id) FROM notes": "y"},
    ),
    form(
        "a default beside the column",
        sql("ALTER TABLE notes ALTER title SET DEFAULT 'none'"),
        revisions=revision(
            'op.add_column("notes", sa.Column("title", sa.Text, server_default="none"))',
            "op.execute(\"UPDATE notes SET text = text || '!'\")",
            TITLES,
        ),
    ),
    form("no row at all", sql("DELETE FROM notes"), right=("healed",), says=(), never=(), after={}),
    form("assume r1", heal("--assume", "r1"), right=("healed",), says=(), never=()),
    form(
        "assume r2, it was done",
        sql("UPDATE notes SET text = text || '!'"),
        heal("--assume", "r2"),
        right=("healed",),
        says=(),
        never=(),
    ),
)

SALES = """
op.add_column("first", sa.Column("sale", sa.Text, server_default="0%"))
op.execute("UPDATE first SET sale = '50% off' WHERE name = '50%'")
op.create_index("first_sale", "first", ["sale"], postgresql_where=sa.text("sale LIKE '5%'"))
"""
PERCENT = forms(
    Case(
        id="percent-signs",
        why="Drivers have a percent sign doubled for where parameters may stand; the server never sees it so.",
        revisions=(FIRST, SALES),
        steps=(upgrade("r1"), sql("INSERT INTO first (name) VALUES ('50%'), ('50%%')")),
        right=("healed",),
        truth="r1",
        after={"SELECT string_agg(sale, ',' ORDER BY id) FROM first": "50% off,0%"},
    ),
    form(
        "before the UPDATE",
        sql("ALTER TABLE first ADD COLUMN sale text DEFAULT '0%'"),
    ),
    form(
        "behind the UPDATE",
        sql("ALTER TABLE first ADD COLUMN sale text DEFAULT '0%'"),
        sql("UPDATE first SET sale = '50% off' WHERE name = '50%'"),
        right=("healed", "refused"),
        truth="",
    ),
    form(
        "made again",
        upgrade("head"),
        sql("ALTER TABLE first ALTER sale DROP DEFAULT; DROP INDEX first_sale"),
    ),
)

PETS = 'op.create_table("pets", sa.Column("id", sa.Integer, primary_key=True), sa.Column("kind", sa.Text))'
SPLIT = """
for name in ("dogs", "cats"):
    op.create_table(name, sa.Column("id", sa.Integer, primary_key=True), sa.Column("kind", sa.Text))
for name in ("dog", "cat"):
    op.execute(f"INSERT INTO {name}s SELECT id, kind FROM pets WHERE kind = '{name}'")
op.execute("DELETE FROM pets WHERE kind IN ('dog', 'cat')")
op.add_column("pets", sa.Column("rest", sa.Text))
"""
PLACES = "SELECT string_agg(place, ',' ORDER BY place) FROM ({}) AS places".format(
    " UNION ALL ".join(f"SELECT '{table}' || id FROM {table}" for table in ("pets", "dogs", "cats"))
).replace("SELECT 'pets' || id", "SELECT 'pets' || id AS place")
ONE_BY_ONE = forms(
    Case(
        id="split-tables",
        why="What the rows prove is settled statement by statement; a person is asked about the rest alone.",
        revisions=(PETS, SPLIT),
        steps=(
            upgrade("r1"),
            sql("INSERT INTO pets VALUES (1, 'dog'), (2, 'cat'), (3, 'cow')"),
            sql("CREATE TABLE dogs (id serial PRIMARY KEY, kind text)"),
            sql("CREATE TABLE cats (id serial PRIMARY KEY, kind text)"),
        ),
        right=("healed",),
        truth="r1",
        after={PLACES: "cats2,dogs1,pets3"},
    ),
    form("no rows yet"),
    form("one table filled", sql("INSERT INTO dogs SELECT * FROM pets WHERE kind = 'dog'")),
    form(
        "both tables filled",
        sql("INSERT INTO dogs SELECT * FROM pets WHERE kind = 'dog'"),
        sql("INSERT INTO cats SELECT * FROM pets WHERE kind = 'cat'"),
        right=("healed", "refused"),
    ),
    form(
        "rows taken away",
        sql("INSERT INTO dogs SELECT * FROM pets WHERE kind = 'dog'"),
        sql("INSERT INTO cats SELECT * FROM pets WHERE kind = 'cat'; DELETE FROM pets WHERE kind <> 'cow'"),
        right=("healed", "refused"),
    ),
)

SECURED = """
op.execute("CREATE TABLE kinds (id serial PRIMARY KEY, name text)")
op.execute("ALTER TABLE kinds ENABLE ROW LEVEL SECURITY")
op.execute("ALTER TABLE kinds FORCE ROW LEVEL SECURITY")
op.execute("CREATE POLICY own ON kinds USING (name = current_user) WITH CHECK (true)")
op.execute("INSERT INTO kinds (name) VALUES ('song')")
"""
UNSEEN = forms(
    Case(
        id="rows-unseen",
        why="A table in which whoever looks may see no row isn't empty for that.",
        revisions=(FIRST, f"{SECURED}\n{INDEX}"),
        steps=(upgrade("r1"),),
        right=("refused",),
        never=("is empty",),
        role="owner",
    ),
    form(
        "by row security",
        *(sql(line.removeprefix('op.execute("').removesuffix('")')) for line in SECURED.strip().splitlines()),
    ),
)

CASES = (*ONE_BY_ONE, *PERCENT, *INSERTS, *COPY, *UPDATES, *UNKNOWN, *UNSEEN)
