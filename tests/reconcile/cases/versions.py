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

CASES = (*SHARED, *GONE, *LONG_IDS)
