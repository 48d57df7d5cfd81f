"""Pay invoices."""

import sqlalchemy as sa
from alembic import op

revision = "b06"
down_revision = "b02"


def upgrade() -> None:
    op.add_column("invoices", sa.Column("paid", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_invoices_paid", "invoices", ["paid"])
