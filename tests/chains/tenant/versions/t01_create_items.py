"""Create items."""

import sqlalchemy as sa
from alembic import op

revision = "t01"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "items",
        sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True),
        sa.Column("state", sa.Enum("new", "old", name="item_state"), nullable=False),
    )
    op.create_index("ix_items_state", "items", ["state"])
