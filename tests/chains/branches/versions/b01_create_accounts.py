"""Create accounts."""

import sqlalchemy as sa
from alembic import op

revision = "b01"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("email", sa.Text(), nullable=False)
    )
