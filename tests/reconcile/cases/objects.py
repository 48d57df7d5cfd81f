"""Objects are objects: two over the same columns are two, and each bears the name that the chain gave it."""

from .case import Case, form, forms, sql, upgrade

NAMES = "SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE contype = '{}' AND conrelid > 16383"
FOREIGN_KEYS = NAMES.format("f")
TWO_TABLES = """
op.create_table("owners", sa.Column("id", sa.Integer, primary_key=True))
op.create_table("pets", sa.Column("id", sa.Integer, primary_key=True), sa.Column("owner", sa.Integer))
op.create_foreign_key("pets_owner_1", "pets", "owners", ["owner"], ["id"])
"""
SWAP = (
    TWO_TABLES,
    """
op.create_foreign_key("pets_owner_2", "pets", "owners", ["owner"], ["id"], ondelete="CASCADE")
op.drop_constraint("pets_owner_1", "pets", type_="foreignkey")
""",
)
SECOND = sql("ALTER TABLE pets ADD CONSTRAINT pets_owner_2 FOREIGN KEY (owner) REFERENCES owners ON DELETE CASCADE")
FIRST = sql("ALTER TABLE pets ADD CONSTRAINT pets_owner_1 FOREIGN KEY (owner) REFERENCES owners (id)")

CASES = (
    *forms(
        Case(
            id="two-keys-of-a-column",
            why="Stopped after the new foreign key was made and before the old one went: that is half of a swap.",
            revisions=SWAP,
            steps=(upgrade("r1"),),
            right=("healed",),
            after={FOREIGN_KEYS: "pets_owner_2"},
        ),
        form("new one made", SECOND),
    ),
    *forms(
        Case(
            id="key-left-over",
            why="At the head, the old foreign key beside the new one still rejects what the chain allows.",
            revisions=SWAP,
            steps=(upgrade("r2"),),
            right=("refused",),
            says=("pets_owner_1",),
            ways=1,
        ),
        form("put back", FIRST),
    ),
    *forms(
        Case(
            id="constraint-of-another-name",
            why="A later revision drops a constraint by the name that an earlier one gave it: so it has to bear it.",
            revisions=(
                """
op.create_table("teams", sa.Column("id", sa.Integer, primary_key=True))
op.create_table(
    "people",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("team_id", sa.Integer),
    sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_people_team"),
)
""",
                'op.drop_constraint("fk_people_team", "people", type_="foreignkey")',
            ),
            right=("healed",),
            after={f"SELECT coalesce(({FOREIGN_KEYS}), 'none')": "none"},
        ),
        form(
            "made by hand",
            sql(
                "CREATE TABLE teams (id serial PRIMARY KEY);"
                " CREATE TABLE people (id serial PRIMARY KEY, team_id int REFERENCES teams)"
            ),
        ),
    ),
    *forms(
        Case(
            id="renames",
            why="A rename can't be played twice: how far a row of them has come is a place of its own.",
            revisions=(
                """
op.create_table(
    "works",
    sa.Column("id", sa.Integer, nullable=False),
    sa.Column("length", sa.Integer),
    sa.PrimaryKeyConstraint("id", name="works_key"),
)
""",
                """
op.rename_table("works", "pieces")
op.execute("ALTER INDEX works_key RENAME TO pieces_key")
op.alter_column("pieces", "length", new_column_name="seconds")
""",
            ),
            steps=(upgrade("r1"), sql("INSERT INTO works (length) VALUES (61)")),
            right=("healed",),
            never=("comes back empty",),
            after={
                "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute"
                " WHERE attrelid = 'pieces'::regclass AND attnum > 0": "id,seconds",
                "SELECT seconds FROM pieces": "61",
            },
        ),
        form("column to come", sql("ALTER TABLE works RENAME TO pieces; ALTER INDEX works_key RENAME TO pieces_key")),
    ),
)
