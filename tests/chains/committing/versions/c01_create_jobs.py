"""Create jobs."""

import sqlalchemy as sa
from alembic import op

revision = "c01"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "jobs", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("tries", sa.Integer(), nullable=False)
    )
    op.create_index("ix_jobs_tries", "jobs", ["tries"])
