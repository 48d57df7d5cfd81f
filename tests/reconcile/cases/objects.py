"""Objects are objects: two over the same columns are two, and each bears the name that the chain gave it."""

from .case import Case, Step, form, forms, sql, upgrade


def constraints(kind: str) -> str:
    """A query for the names of the constraints of a kind in the schema `public`."""
    return (
        "SELECT coalesce(string_agg(conname, ',' ORDER BY conname), 'none') FROM pg_constraint"
        f" WHERE contype = '{kind}' AND connamespace = 'public'::regnamespace AND conname <> 'alembic_version_pkc'"
    )


PETS = """
op.create_table("owners", sa.Column("id", sa.Integer, primary_key=True))
op.create_table("pets", sa.Column("id", sa.Integer, primary_key=True), sa.Column("owner", sa.Integer))
"""
FIRST_KEY = 'op.create_foreign_key("pets_owner_1", "pets", "owners", ["owner"], ["id"])'
SECOND_KEY = 'op.create_foreign_key("pets_owner_2", "pets", "owners", ["owner"], ["id"], ondelete="CASCADE")'
SWAP = (
    PETS + FIRST_KEY,
    SECOND_KEY + '\nop.drop_constraint("pets_owner_1", "pets", type_="foreignkey")',
)
SEATS = """
op.create_table(
    "seats",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("row", sa.Integer),
    sa.Column("place", sa.Integer),
)
"""

TWO = forms(
    Case(
        id="two-of-a-column",
        why="Stopped after the new one was made and before the old one went: that is half of a swap.",
        revisions=SWAP,
        steps=(upgrade("r1"),),
        right=("healed",),
    ),
    form(
        "foreign key made",
        sql("ALTER TABLE pets ADD CONSTRAINT pets_owner_2 FOREIGN KEY (owner) REFERENCES owners ON DELETE CASCADE"),
        after={constraints("f"): "pets_owner_2"},
    ),
    form(
        "foreign key of the same definition made",
        sql("ALTER TABLE pets ADD CONSTRAINT pets_owner_2 FOREIGN KEY (owner) REFERENCES owners (id)"),
        revisions=(SWAP[0], SWAP[1].replace(', ondelete="CASCADE"', "")),
        after={constraints("f"): "pets_owner_2"},
    ),
    form(
        "old foreign key gone first",
        sql("ALTER TABLE pets DROP CONSTRAINT pets_owner_1"),
        revisions=(SWAP[0], 'op.drop_constraint("pets_owner_1", "pets", type_="foreignkey")\n' + SECOND_KEY),
        after={constraints("f"): "pets_owner_2"},
    ),
    form(
        "unique made",
        sql("ALTER TABLE seats ADD CONSTRAINT seats_now UNIQUE (row, place) DEFERRABLE"),
        revisions=(
            SEATS + 'op.create_unique_constraint("seats_once", "seats", ["row", "place"])',
            """
op.create_unique_constraint("seats_now", "seats", ["row", "place"], deferrable=True)
op.drop_constraint("seats_once", "seats")
""",
        ),
        after={constraints("u"): "seats_now"},
    ),
    form(
        "check made",
        sql("ALTER TABLE seats ADD CONSTRAINT seats_now CHECK (row >= 0)"),
        revisions=(
            SEATS + 'op.create_check_constraint("seats_once", "seats", "row > 0")',
            """
op.create_check_constraint("seats_now", "seats", "row >= 0")
op.drop_constraint("seats_once", "seats")
""",
        ),
        after={constraints("c"): "seats_now"},
    ),
    form(
        "exclusion made",
        sql("ALTER TABLE seats ADD CONSTRAINT seats_now EXCLUDE (row WITH =)"),
        revisions=(
            SEATS + 'op.execute("ALTER TABLE seats ADD CONSTRAINT seats_once EXCLUDE (row WITH =) WHERE (place > 0)")',
            """
op.execute("ALTER TABLE seats ADD CONSTRAINT seats_now EXCLUDE (row WITH =)")
op.drop_constraint("seats_once", "seats")
""",
        ),
        after={constraints("x"): "seats_now"},
    ),
    form(
        "index made",
        sql("CREATE INDEX seats_now ON seats (row)"),
        revisions=(
            SEATS + 'op.create_index("seats_once", "seats", ["row"])',
            'op.create_index("seats_now", "seats", ["row"])\nop.drop_index("seats_once", "seats")',
        ),
    ),
)

LEFT_OVER = forms(
    Case(
        id="left-over",
        why="At the head, what a revision has dropped is there again, and rejects what the chain allows.",
        revisions=SWAP,
        steps=(upgrade("r2"),),
        right=("refused",),
        ways=1,
    ),
    form(
        "foreign key",
        sql("ALTER TABLE pets ADD CONSTRAINT pets_owner_1 FOREIGN KEY (owner) REFERENCES owners (id)"),
        says=("pets_owner_1",),
    ),
    form(
        "foreign key for new rows alone",
        sql("ALTER TABLE pets ADD CONSTRAINT pets_owner_1 FOREIGN KEY (owner) REFERENCES owners (id) NOT VALID"),
        says=("pets_owner_1",),
    ),
    form(
        "unique",
        sql("ALTER TABLE seats ADD CONSTRAINT seats_once UNIQUE (row)"),
        revisions=(
            SEATS + 'op.create_unique_constraint("seats_once", "seats", ["row"])',
            """
op.drop_constraint("seats_once", "seats")
op.create_unique_constraint("seats_now", "seats", ["row", "place"])
""",
        ),
        says=("seats_once",),
    ),
    form(
        "check beside a check of the same column",
        sql("ALTER TABLE seats ADD CONSTRAINT seats_once CHECK (row > 0)"),
        revisions=(
            SEATS + 'op.create_check_constraint("seats_once", "seats", "row > 0")',
            """
op.drop_constraint("seats_once", "seats")
op.create_check_constraint("seats_now", "seats", "row >= 0")
""",
        ),
        says=("seats_once",),
    ),
    form(
        "unique index",
        sql("CREATE UNIQUE INDEX seats_once ON seats (row)"),
        revisions=(
            SEATS + 'op.create_index("seats_once", "seats", ["row"], unique=True)',
            'op.drop_index("seats_once", "seats")\nop.create_index("seats_now", "seats", ["row"])',
        ),
        says=("seats_once",),
    ),
)

PEOPLE = """
op.create_table("teams", sa.Column("id", sa.Integer, primary_key=True))
op.create_table(
    "people",
    sa.Column("id", sa.Integer, nullable=False),
    sa.Column("team_id", sa.Integer),
    sa.Column("email", sa.Text),
    sa.PrimaryKeyConstraint("id", name="people_key"),
    sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="people_team"),
    sa.UniqueConstraint("email", name="people_email"),
    sa.CheckConstraint("id > 0", name="people_number"),
)
"""
MADE = """
CREATE TABLE teams (id serial PRIMARY KEY);
CREATE TABLE people (
    id serial CONSTRAINT {} PRIMARY KEY,
    team_id int CONSTRAINT {} REFERENCES teams,
    email text CONSTRAINT {} UNIQUE,
    CONSTRAINT {} CHECK (id > 0)
)
"""
GIVEN = ["people_key", "people_team", "people_email", "people_number"]


def made(**others: str) -> str:
    """SQL for the two tables, some constraints of which have other names."""
    return MADE.format(*(others.get(name, name) for name in GIVEN))


DROPPED = 'op.drop_constraint("{}", "people")'
OTHER_NAME = forms(
    Case(
        id="constraint-of-another-name",
        why="A later revision drops a constraint by the name that an earlier one gave it: so it has to bear it.",
        revisions=(PEOPLE, DROPPED.format("people_team")),
        right=("healed",),
    ),
    form("foreign key", sql(made(people_team="people_team_id_fkey")), after={constraints("f"): "none"}),
    form(
        "foreign key that the chain leaves to PostgreSQL to name",
        sql(made(people_team="fk_people_team_id_teams")),
        revisions=(PEOPLE.replace(', name="people_team"', ""), DROPPED.format("people_team_id_fkey")),
        after={constraints("f"): "none"},
    ),
    form(
        "unique",
        sql(made(people_email="people_email_key")),
        revisions=(PEOPLE, DROPPED.format("people_email")),
        after={constraints("u"): "none"},
    ),
    form(
        "check",
        sql(made(people_number="people_id_check")),
        revisions=(PEOPLE, DROPPED.format("people_number")),
        after={constraints("c"): "none"},
    ),
    form(
        "primary key",
        upgrade("r1"),
        sql("ALTER TABLE people RENAME CONSTRAINT people_key TO people_pkey"),
        revisions=(PEOPLE, DROPPED.format("people_key") + '\nop.create_primary_key("people_id", "people", ["id"])'),
        after={constraints("p"): "people_id,teams_pkey"},
    ),
    form(
        "primary key whose index is renamed",
        upgrade("r1"),
        sql("ALTER INDEX people_key RENAME TO people_pkey"),
        revisions=(PEOPLE, 'op.execute("ALTER INDEX people_key RENAME TO people_id")'),
        after={constraints("p"): "people_id,teams_pkey"},
    ),
    form(
        "all of them",
        sql(made(people_key="k1", people_team="k2", people_email="k3", people_number="k4")),
        revisions=(PEOPLE, "\n".join(DROPPED.format(name) for name in GIVEN[1:])),
    ),
    form(
        "a name in capitals",
        sql(made(people_email='"People_Email"')),
        revisions=(PEOPLE, DROPPED.format("people_email")),
        after={constraints("u"): "none"},
    ),
    form(
        "each with the other's name",
        upgrade("r1"),
        sql(
            "ALTER TABLE seats RENAME CONSTRAINT seats_row TO other;"
            " ALTER TABLE seats RENAME CONSTRAINT seats_place TO seats_row;"
            " ALTER TABLE seats RENAME CONSTRAINT other TO seats_place"
        ),
        revisions=(
            SEATS
            + """
op.create_unique_constraint("seats_row", "seats", ["row"])
op.create_unique_constraint("seats_place", "seats", ["place"])
""",
            'op.drop_constraint("seats_row", "seats")',
        ),
        right=("healed", "refused"),
        ways=1,
        after={constraints("u"): "seats_place"},
    ),
    form(
        "a name that another's table has",
        sql(made(people_email="people_email_key") + "; CREATE TABLE people_email (note text)"),
        revisions=(PEOPLE, DROPPED.format("people_email")),
        right=("refused",),
        says=("people_email",),
        holds="any",
        after={"SELECT count(*) FROM pg_attribute WHERE attname = 'note'": "1"},
    ),
    form("at the head", sql(made(people_email="people_email_key")), revisions=(PEOPLE,)),
)

WORKS = """
op.create_table(
    "works",
    sa.Column("id", sa.Integer, nullable=False),
    sa.Column("length", sa.Integer),
    sa.PrimaryKeyConstraint("id", name="works_key"),
)
"""
SECONDS = {
    "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute"
    " WHERE attrelid = 'pieces'::regclass AND attnum > 0": "id,seconds",
    "SELECT seconds FROM pieces": "61",
}
TABLE_RENAMED = "ALTER TABLE works RENAME TO pieces"
INDEX_RENAMED = "ALTER INDEX works_key RENAME TO pieces_key"
RENAMES = forms(
    Case(
        id="renames",
        why="A rename can't be played twice: how far a row of them has come is a place of its own.",
        revisions=(
            WORKS,
            """
op.rename_table("works", "pieces")
op.execute("ALTER INDEX works_key RENAME TO pieces_key")
op.alter_column("pieces", "length", new_column_name="seconds")
""",
        ),
        steps=(upgrade("r1"), sql("INSERT INTO works (length) VALUES (61)")),
        right=("healed",),
        never=("comes back empty",),
        after=SECONDS,
    ),
    form("table renamed", sql(TABLE_RENAMED)),
    form("table and index renamed", sql(TABLE_RENAMED), sql(INDEX_RENAMED)),
    form(
        "all renamed", sql(TABLE_RENAMED), sql(INDEX_RENAMED), sql("ALTER TABLE pieces RENAME COLUMN length TO seconds")
    ),
    form(
        "constraint renamed, column to come",
        sql("ALTER TABLE works RENAME CONSTRAINT works_key TO works_id"),
        revisions=(
            WORKS,
            """
op.execute("ALTER TABLE works RENAME CONSTRAINT works_key TO works_id")
op.add_column("works", sa.Column("title", sa.Text))
""",
        ),
        never=(),
        after={"SELECT length, title FROM works": "61|"},
    ),
    form(
        "sequence and type renamed, column to come",
        sql("ALTER SEQUENCE works_id_seq RENAME TO works_numbers; ALTER TYPE state RENAME TO phase"),
        revisions=(
            WORKS + "op.execute(\"CREATE TYPE state AS ENUM ('new')\")",
            """
op.execute("ALTER SEQUENCE works_id_seq RENAME TO works_numbers")
op.execute("ALTER TYPE state RENAME TO phase")
op.execute("ALTER TABLE works ADD COLUMN phase phase")
""",
        ),
        never=(),
        after={"SELECT length FROM works": "61", "SELECT nextval('works_numbers')": "2"},
    ),
    form(
        "label renamed, column to come",
        sql("ALTER TYPE state RENAME VALUE 'new' TO 'fresh'"),
        revisions=(
            WORKS + "op.execute(\"CREATE TYPE state AS ENUM ('new')\")",
            """
op.execute("ALTER TYPE state RENAME VALUE 'new' TO 'fresh'")
op.execute("ALTER TABLE works ADD COLUMN state state")
""",
        ),
        never=(),
        after={"SELECT enumlabel FROM pg_enum": "fresh"},
    ),
    form(
        "two columns that change names, after the first",
        sql("UPDATE works SET width = 7; ALTER TABLE works RENAME COLUMN length TO other"),
        revisions=(
            WORKS.replace('"length", sa.Integer),', '"length", sa.Integer), sa.Column("width", sa.Integer),'),
            """
op.alter_column("works", "length", new_column_name="other")
op.alter_column("works", "width", new_column_name="length")
op.alter_column("works", "other", new_column_name="width")
""",
        ),
        after={"SELECT length, width FROM works": "7|61"},
    ),
)

EVENTS = """
op.execute("CREATE TABLE ev (id int, v text) PARTITION BY LIST (id)")
op.execute("CREATE TABLE ev_1 PARTITION OF ev FOR VALUES IN (1)")
op.execute("CREATE TABLE ev_default PARTITION OF ev DEFAULT")
"""
BY_PARTS = (
    "CREATE INDEX ev_v ON ONLY ev (v)",
    "CREATE INDEX ev_1_v ON ev_1 (v)",
    "ALTER INDEX ev_v ATTACH PARTITION ev_1_v",
    "CREATE INDEX ev_default_v ON ev_default (v)",
    "ALTER INDEX ev_v ATTACH PARTITION ev_default_v",
    "ALTER TABLE ev ADD CONSTRAINT ev_v_filled CHECK (v <> '')",
)


def executed(*statements: str) -> str:
    """A revision that runs some statements."""
    return "".join(f'\nop.execute("{statement}")' for statement in statements)


def after(done: int, *, of: tuple[str, ...] = BY_PARTS) -> Step:
    """What has run of them by hand."""
    return sql("; ".join(of[:done]))


UNIQUE_BY_PARTS = (
    "ALTER TABLE ONLY ev ADD CONSTRAINT ev_key UNIQUE (id, v)",
    "ALTER TABLE ev_1 ADD CONSTRAINT ev_1_key UNIQUE (id, v)",
    "ALTER INDEX ev_key ATTACH PARTITION ev_1_key",
    "ALTER TABLE ev_default ADD CONSTRAINT ev_default_key UNIQUE (id, v)",
    "ALTER INDEX ev_key ATTACH PARTITION ev_default_key",
)
IN_PARTS = forms(
    Case(
        id="index-by-parts",
        why="An index of a partitioned table, built part by part as the manual says, goes on where it stopped.",
        revisions=(EVENTS, executed(*BY_PARTS)),
        steps=(upgrade("r1"), sql("INSERT INTO ev VALUES (1, 'x'), (2, 'y')")),
        right=("healed",),
        after={
            "SELECT bool_and(indisvalid) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname ~ '^ev'": "t"
        },
    ),
    form("the first is attached", after(3)),
    form("only the parent's is there", after(1)),
    form("that of a part is there", after(2)),
    form("that of the second part is there", after(4)),
    form("all are attached", after(5)),
    form(
        "in an older one, not on record",
        after(3),
        sql("DELETE FROM alembic_version"),
        revisions=(EVENTS, executed(*BY_PARTS), executed("CREATE TABLE later (id int)")),
    ),
    form("a unique one", after(3, of=UNIQUE_BY_PARTS), revisions=(EVENTS, executed(*UNIQUE_BY_PARTS))),
    form(
        "lost on the parent, at the head",
        steps=(upgrade("r2"), sql("DROP INDEX ev_v"), after(1)),
        holds="any",
        revisions=(EVENTS, executed(*BY_PARTS)),
    ),
    form(
        "a unique one, lost on a part, at the head",
        steps=(upgrade("r2"), sql("ALTER TABLE ev DROP CONSTRAINT ev_key"), after(1, of=UNIQUE_BY_PARTS)),
        revisions=(EVENTS, executed(*UNIQUE_BY_PARTS)),
        holds="any",
        right=("refused", "healed"),
    ),
    form(
        "a unique one, its parent's alone", after(1, of=UNIQUE_BY_PARTS), revisions=(EVENTS, executed(*UNIQUE_BY_PARTS))
    ),
    form(
        "attached, its revision with rows",
        after(3),
        revisions=(EVENTS, executed(*BY_PARTS[:3], "UPDATE ev SET v = upper(v)", *BY_PARTS[3:])),
        right=("healed", "refused"),
        truth="r1",
        after={"SELECT string_agg(v, '' ORDER BY v) FROM ev": "XY"},
    ),
)

CASES = (*IN_PARTS, *TWO, *LEFT_OVER, *OTHER_NAME, *RENAMES)
