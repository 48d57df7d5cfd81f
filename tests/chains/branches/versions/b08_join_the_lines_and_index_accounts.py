"""Join the lines, and index accounts."""

import sqlalchemy as sa
from alembic import op

revision = "b08"
down_revision = ("b07", "x01")


def upgrade() -> None:
    op.create_index("ix_accounts_email", "accounts", ["email"], unique=True)
    op.add_column("accounts", sa.Column("plan", sa.Text(), nullable=True))
