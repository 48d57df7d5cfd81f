"""What a difference means: others' things that reject nothing are kept and noted, never a reason to stop."""

from .case import Case, form, forms, sql, upgrade

PEOPLE = 'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.String(80)))'
AUDIT = "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; "

CASES = (
    *forms(
        Case(
            id="partitions-of-others",
            why="Operations add partitions, and PostgreSQL its own constraints for them: neither is drift.",
            revisions=(
                """
op.execute("CREATE TABLE visits (id int, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)")
op.execute("CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM ('2020-01-01') TO ('2025-01-01')")
""",
                """
op.create_table(
    "remarks",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("visit", sa.Integer),
    sa.Column("day", sa.Date),
    sa.ForeignKeyConstraint(["visit", "day"], ["visits.id", "visits.day"]),
)
""",
            ),
            steps=(upgrade("r2"),),
            right=("current",),
            never=("DROP CONSTRAINT", "DROP TABLE"),
        ),
        form(
            "added", sql("CREATE TABLE visits_new PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2030-01-01')")
        ),
    ),
    *forms(
        Case(
            id="row-security",
            why="Row security that doesn't bind whoever connects rejects nothing; nobody is told to switch it off.",
            revisions=(PEOPLE,),
            steps=(upgrade("r1"),),
            right=("current",),
            never=("DISABLE ROW LEVEL SECURITY",),
        ),
        form(
            "not forced",
            sql("ALTER TABLE people ENABLE ROW LEVEL SECURITY; ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY"),
        ),
    ),
    *forms(
        Case(
            id="triggers-of-others",
            why="Another system lives by its trigger, and where it can't reject it is only noted.",
            revisions=(PEOPLE,),
            steps=(upgrade("r1"),),
            right=("current",),
            never=("DROP TRIGGER",),
        ),
        form(
            "after each row",
            sql(AUDIT + "CREATE TRIGGER tell AFTER INSERT OR UPDATE ON people FOR EACH ROW EXECUTE FUNCTION audit()"),
        ),
    ),
    *forms(
        Case(
            id="settings-of-storage",
            why="How things are stored and remarked upon is the administrator's: not compared, and never lost.",
            revisions=(PEOPLE, 'op.create_index("people_email", "people", ["email"])'),
            steps=(upgrade("r2"),),
            right=("current",),
        ),
        form(
            "fillfactor of an index",
            sql("ALTER INDEX people_email SET (fillfactor = 61)"),
            after={"SELECT reloptions::text FROM pg_class WHERE relname = 'people_email'": "{fillfactor=61}"},
        ),
    ),
)
