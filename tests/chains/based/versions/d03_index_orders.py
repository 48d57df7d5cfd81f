"""Index orders."""

import sqlalchemy as sa
from alembic import op

revision = "d03"
down_revision = "d02"


def upgrade() -> None:
    op.create_index("ix_orders_customer_id", "orders", ["customer_id"])
    op.add_column("orders", sa.Column("total", sa.Integer(), server_default="0", nullable=False))
