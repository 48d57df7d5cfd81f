"""Create parts of items."""

import sqlalchemy as sa
from alembic import op

revision = "t02"
down_revision = "t01"


def upgrade() -> None:
    op.create_table(
        "parts",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("item_id", sa.Integer(), sa.ForeignKey("items.id")),
    )
    op.add_column("items", sa.Column("weight", sa.Integer(), nullable=True))
    op.execute("UPDATE items SET weight = 1 WHERE weight IS NULL")
