"""Chains that part and join: what is on record of one branch says nothing about the other."""

from .case import Case, form, forms, sql, upgrade

TASKS = 'op.create_table("tasks", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'
LOUD = "op.execute(\"UPDATE tasks SET text = text || '!'\")"
TITLE = 'op.add_column("tasks", sa.Column("title", sa.Text))'
PEOPLE = 'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True))'
NAME = 'op.add_column("people", sa.Column("name", sa.Text))'
INDEX = 'op.create_index("people_name", "people", ["name"])'
ROWS = sql("INSERT INTO tasks (text) VALUES ('x'), ('y')")
COLUMN = sql("ALTER TABLE tasks ADD COLUMN title text")
TEXTS = "SELECT string_agg(text, ',' ORDER BY id) FROM tasks"

CASES = forms(
    Case(
        id="branches",
        why="Two revisions follow the first, and a last one joins them.",
        revisions=(TASKS, f"{TITLE}\n{LOUD}", PEOPLE, f"{NAME}\n{INDEX}"),
        parents={"r3": ("r1",), "r4": ("r2", "r3")},
        right=("healed",),
    ),
    form("from nothing"),
    form("both on record", upgrade("r2"), ROWS, upgrade("r3"), after={TEXTS: "x,y"}),
    form("one on record", upgrade("r3"), ROWS, after={TEXTS: "x!,y!"}),
    form(
        "one there, and none on record", upgrade("r3"), ROWS, sql("DELETE FROM alembic_version"), after={TEXTS: "x!,y!"}
    ),
    form("one on record, with the one before it", upgrade("r2"), sql("INSERT INTO alembic_version VALUES ('r1')")),
    form("the last one in part", upgrade("r2"), upgrade("r3"), sql("ALTER TABLE people ADD COLUMN name text")),
    form(
        "one on record, the other in part",
        upgrade("r3"),
        ROWS,
        COLUMN,
        right=("refused",),
        never=("Verified",),
    ),
    form(
        "one on record, the other in part, as its rows show",
        upgrade("r3"),
        ROWS,
        COLUMN,
        revisions=(TASKS, f'{TITLE}\nop.execute("UPDATE tasks SET title = upper(text)")', PEOPLE, f"{NAME}\n{INDEX}"),
        after={"SELECT string_agg(title, ',' ORDER BY id) FROM tasks": "X,Y"},
    ),
)
