"""What is on record: ids of others, ids that went away, ids that are too long."""

from .case import Case, form, forms, heal, sql, upgrade

PEOPLE = """
op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.String(80)))
op.create_index("people_email", "people", ["email"])
"""
NAME = 'op.add_column("people", sa.Column("name", sa.Text))'
OTHERS = (
    "CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY);"
    " INSERT INTO alembic_version VALUES ('cafe01'); CREATE TABLE runs (id int)"
)
THEIRS = {"SELECT count(*) FROM alembic_version WHERE version_num = 'cafe01'": "1"}
THERE = sql(
    "CREATE TABLE people (id serial PRIMARY KEY, email varchar(80));CREATE INDEX people_email ON people (email)"
)

SHARED = forms(
    Case(
        id="version-table-shared",
        why="The row of another chain is that chain's and stays; a version table of one's own is the way on.",
        revisions=(PEOPLE,),
        steps=(sql(OTHERS),),
        right=("told",),
        says=("version_table",),
        after=THEIRS,
        holds="more",
    ),
    form("assume base", heal("--assume", "base")),
    form("assume r1", heal("--assume", "r1")),
    form("nothing assumed", right=("refused",)),
    form(
        "with our tables there",
        THERE,
        heal("--assume", "r1"),
        says=(),
    ),
    form(
        "beside a row of ours",
        steps=(upgrade("r1"), sql("INSERT INTO alembic_version VALUES ('cafe01'); CREATE TABLE runs (id int)")),
        revisions=(PEOPLE, NAME),
    ),
    form("the way on", env="own_versions", right=("healed",), says=(), holds="any"),
    form("the way on, at the head", upgrade("r1"), env="own_versions", right=("current",), says=()),
)

GONE = forms(
    Case(
        id="id-that-went-away",
        why="An id that nobody knows over a schema that is exactly ours: to vouch for it is one of the ways on.",
        revisions=(PEOPLE,),
        steps=(upgrade("r1"),),
        right=("refused",),
        never=("ALLOW_AHEAD",),
        truth="r1",
    ),
    form("squashed", sql("UPDATE alembic_version SET version_num = 'feed0001'"), says=("--assume r1",), ways=1),
    form(
        "at a revision before the head",
        sql("UPDATE alembic_version SET version_num = 'feed0001'"),
        revisions=(PEOPLE, NAME),
        says=("--assume r1",),
        ways=1,
    ),
    form(
        "and the database has more",
        sql("UPDATE alembic_version SET version_num = 'feed0001'; ALTER TABLE people ADD COLUMN mood text"),
        holds="any",
    ),
    form(
        "two of them",
        sql("UPDATE alembic_version SET version_num = 'feed0001'; INSERT INTO alembic_version VALUES ('x')"),
    ),
    form(
        "assumed", sql("UPDATE alembic_version SET version_num = 'feed0001'"), heal("--assume", "r1"), right=("healed",)
    ),
    form("not an id at all", sql("UPDATE alembic_version SET version_num = E'\\n''; --'"), ways=1),
)

LONG = ("2026_11_01_people_with_an_address_and_more", "2026_11_02_a_name_for_each_of_the_people")
LONG_IDS = forms(
    Case(
        id="long-id",
        why="The version table's column holds 32 characters: where an id is longer, it is widened.",
        revisions=(PEOPLE, NAME),
        names=LONG,
        right=("healed",),
        holds="any",
        after={"SELECT version_num FROM alembic_version": LONG[1]},
    ),
    form("fresh database"),
    form("at the revision before", upgrade("r1"), names=("r1", LONG[1])),
    form(
        "schema there, nothing on record",
        THERE,
    ),
    form(
        "version table there, and empty",
        sql("CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)"),
    ),
    form(
        "version table wide enough",
        sql("CREATE TABLE alembic_version (version_num varchar(99) CONSTRAINT alembic_version_pkc PRIMARY KEY)"),
        upgrade("head"),
        right=("current",),
    ),
    form("version table of its own", env="own_versions", after={"SELECT version_num FROM our_versions": LONG[1]}),
    form(
        "in a transaction for each",
        upgrade("r1"),
        names=("r1", LONG[1]),
        revisions=(PEOPLE, "with op.get_context().autocommit_block():\n    " + NAME),
        env="transaction_per_migration",
    ),
    form(
        "version table narrower",
        upgrade("r1"),
        sql("ALTER TABLE alembic_version ALTER version_num TYPE varchar(4)"),
        names=("r1", "r2_longer"),
        after={"SELECT version_num FROM alembic_version": "r2_longer"},
    ),
)

PETS = """
op.create_table(
    "pets",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50), nullable=False),
    sa.Column("owner", sa.Text),
)
op.create_index("pets_name", "pets", ["name"])
"""
OWNERS = 'op.create_table("owners", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))'
OWNER = 'op.drop_column("pets", "owner")'
EARLY = forms(
    Case(
        id="recorded-too-early",
        why="Stamped as the head over the schema of the revision before it: what that one drops is still in use.",
        revisions=(),
        steps=(
            upgrade("r1"),
            sql("INSERT INTO pets (name, owner) VALUES ('Rex', 'Ann')"),
            sql("UPDATE alembic_version SET version_num = 'r2'"),
        ),
        right=("refused",),
        says=("--assume r1",),
        never=("DROP", "isn't ours", "is not ours", "--assume base"),
        truth="r1",
        ways=2,
    ),
    form(
        "a column wider, another gone",
        revisions=(
            PETS,
            f"""
op.alter_column("pets", "name", type_=sa.String(120))
op.add_column("pets", sa.Column("mail", sa.Text))
{OWNER}
""",
        ),
    ),
    form("a table made, a column gone", revisions=(PETS, f"{OWNERS}\n{OWNER}")),
    form("a table renamed", revisions=(PETS, 'op.rename_table("pets", "animals")')),
    form(
        "a table renamed, and an index lost",
        sql("DROP INDEX pets_name"),
        revisions=(PETS, 'op.rename_table("pets", "animals")'),
    ),
    form(
        "a column renamed",
        revisions=(PETS, 'op.alter_column("pets", "owner", new_column_name="person", nullable=False)'),
        after={"SELECT person FROM pets": "Ann"},
    ),
    form(
        "a constraint gone",
        revisions=(
            PETS + 'op.create_unique_constraint("pets_once", "pets", ["name"])',
            'op.drop_constraint("pets_once", "pets")',
        ),
        says=("--assume r1", "pets_once on pets is still there"),
        never=("isn't ours",),
    ),
    form(
        "a constraint gone that has got another name",
        sql("ALTER TABLE pets RENAME CONSTRAINT pets_once TO once"),
        revisions=(
            PETS + 'op.create_unique_constraint("pets_once", "pets", ["name"])',
            'op.drop_constraint("pets_once", "pets")',
        ),
    ),
    form("a column gone", revisions=(PETS, OWNER), says=("--assume r1", "column pets.owner is still there"), ways=1),
    form(
        "a column of another type, a table made, and an index lost",
        sql("DROP INDEX pets_name"),
        revisions=(PETS, f'{OWNER}\nop.add_column("pets", sa.Column("owner", sa.Integer))\n{OWNERS}'),
        never=("ALTER", "--assume base"),
        ways=1,
    ),
    form(
        "two revisions too early, the last of which renames a table",
        revisions=(PETS, OWNER, 'op.rename_table("pets", "animals")'),
        steps=(upgrade("r1"), sql("UPDATE alembic_version SET version_num = 'r3'")),
        never=("--assume r2",),
    ),
    form(
        "an index gone",
        revisions=(PETS, 'op.drop_index("pets_name", "pets")'),
        says=("--assume r1", "index pets_name on pets is still there"),
        never=("--assume r2",),
        ways=1,
    ),
    form(
        "a column gone that a downgrade has made again",
        revisions=(PETS, f"{OWNERS}\n{OWNER}"),
        steps=(upgrade("r2"), sql("ALTER TABLE pets ADD COLUMN owner text")),
        says=("for r2, column pets.owner is still there", "drop by hand"),
        never=("--assume r2",),
        truth="",
        ways=1,
    ),
    form(
        "a column gone whose values are moved",
        revisions=(PETS + OWNERS, f'op.execute("INSERT INTO owners (name) SELECT owner FROM pets")\n{OWNER}'),
        says=("--assume r1", "column pets.owner is still there"),
        after={"SELECT name FROM owners": "Ann"},
        ways=1,
    ),
    form(
        "a column wider below a view",
        revisions=(
            PETS + 'op.execute("CREATE VIEW named AS SELECT name FROM pets")',
            """
op.execute("DROP VIEW named")
op.alter_column("pets", "name", type_=sa.String(120))
op.execute("CREATE VIEW named AS SELECT name FROM pets")
""",
        ),
        right=("healed",),
        says=(),
    ),
    form(
        "a table to come, after rows that would be made twice",
        revisions=(PETS, "op.execute(\"INSERT INTO pets (name) VALUES ('Tom')\")", OWNERS),
        steps=(upgrade("r2"), sql("UPDATE alembic_version SET version_num = 'r3'")),
        says=("--assume r2",),
        never=("--assume base",),
        truth="r2",
        after={"SELECT count(*) FROM pets": "1"},
    ),
)

LATE = forms(
    Case(
        id="recorded-too-late",
        why="A column of others is no renamed one of ours where a revision that has run has dropped that.",
        revisions=(PETS, OWNER),
        steps=(
            upgrade("r2"),
            sql("ALTER TABLE pets ADD COLUMN mood text; UPDATE alembic_version SET version_num = 'r1'"),
        ),
        right=("healed",),
        never=("renamed", "RENAME"),
        holds="more",
    ),
    form("a column gone"),
    form("a column renamed", revisions=(PETS, 'op.alter_column("pets", "owner", new_column_name="person")')),
    form(
        "a column renamed, an index on it lost, and nothing on record",
        revisions=(
            PETS + 'op.create_index("pets_owner", "pets", ["owner"])',
            'op.alter_column("pets", "owner", new_column_name="person")',
        ),
        steps=(upgrade("r2"), sql("DROP INDEX pets_owner; DELETE FROM alembic_version")),
    ),
    form(
        "a view dropped by the half of the next revision",
        revisions=(
            PETS,
            f'{OWNER}\nop.execute("CREATE VIEW named AS SELECT name FROM pets")',
            """
op.execute("DROP VIEW named")
op.alter_column("pets", "name", type_=sa.String(120))
op.execute("CREATE VIEW named AS SELECT name FROM pets")
""",
        ),
        steps=(upgrade("r2"), sql("DROP VIEW named")),
    ),
)

CASES = (*SHARED, *GONE, *LONG_IDS, *EARLY, *LATE)
