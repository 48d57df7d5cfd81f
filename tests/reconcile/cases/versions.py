"""What is on record: ids of others, ids that went away, ids that are too long."""

from .case import Case, form, forms, heal, sql, upgrade

PEOPLE = """
op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.String(80)))
op.create_index("people_email", "people", ["email"])
"""

CASES = (
    *forms(
        Case(
            id="version-table-shared",
            why="The row of another chain is that chain's and stays; a version table of one's own is the way on.",
            revisions=(PEOPLE,),
            steps=(
                sql(
                    "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
                    " INSERT INTO alembic_version VALUES ('cafe01'); CREATE TABLE runs (id int)"
                ),
            ),
            right=("told",),
            says=("version_table",),
            after={"SELECT count(*) FROM alembic_version WHERE version_num = 'cafe01'": "1"},
        ),
        form("assume base", heal("--assume", "base")),
    ),
    *forms(
        Case(
            id="id-that-went-away",
            why="An id that nobody knows over a schema that is exactly ours: to vouch for it is one of the ways on.",
            revisions=(PEOPLE,),
            steps=(upgrade("r1"),),
            right=("refused",),
            says=("--assume r1",),
            never=("ALLOW_AHEAD",),
            truth="r1",
            ways=1,
        ),
        form("squashed", sql("UPDATE alembic_version SET version_num = 'feed0001'")),
    ),
)
