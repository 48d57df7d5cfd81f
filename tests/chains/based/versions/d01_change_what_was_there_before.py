"""Change what was there before."""

import sqlalchemy as sa
from alembic import op

revision = "d01"
down_revision = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("email", sa.Text(), nullable=True))
    op.create_index("ix_customers_email", "customers", ["email"])
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customers.id")),
    )
