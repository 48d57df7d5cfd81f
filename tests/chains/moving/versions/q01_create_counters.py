"""Create counters."""

import sqlalchemy as sa
from alembic import op

revision = "q01"
down_revision = None


def upgrade() -> None:
    op.create_table("counters", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("n", sa.Integer()))
