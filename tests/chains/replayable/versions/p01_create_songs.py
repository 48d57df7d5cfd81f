"""Create songs."""

import sqlalchemy as sa
from alembic import op

revision = "p01"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "songs", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("title", sa.Text(), nullable=False)
    )
