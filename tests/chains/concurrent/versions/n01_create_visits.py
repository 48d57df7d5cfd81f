"""Create visits."""

import sqlalchemy as sa
from alembic import op

revision = "n01"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "visits", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("page", sa.Text(), nullable=False)
    )
