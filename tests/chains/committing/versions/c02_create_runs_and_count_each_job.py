"""Create runs, and count each job once more."""

import sqlalchemy as sa
from alembic import op

revision = "c02"
down_revision = "c01"


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("job_id", sa.Integer(), sa.ForeignKey("jobs.id")),
    )
    op.execute("UPDATE jobs SET tries = tries + 1")
    op.create_index("ix_runs_job_id", "runs", ["job_id"])
    op.add_column("runs", sa.Column("log", sa.Text(), nullable=True))
