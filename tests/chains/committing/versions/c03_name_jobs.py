"""Name jobs."""

import sqlalchemy as sa
from alembic import op

revision = "c03"
down_revision = "c02"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("queue", sa.Text(), server_default="main", nullable=False))
