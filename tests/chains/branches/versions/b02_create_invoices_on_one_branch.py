"""Create invoices, on one branch."""

import sqlalchemy as sa
from alembic import op

revision = "b02"
down_revision = "b01"


def upgrade() -> None:
    op.create_table(
        "invoices", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("cents", sa.Integer(), nullable=False)
    )
    op.create_index("ix_invoices_cents", "invoices", ["cents"])
