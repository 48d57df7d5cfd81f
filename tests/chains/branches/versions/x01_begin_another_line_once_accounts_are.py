"""Begin another line, once accounts are there."""

import sqlalchemy as sa
from alembic import op

revision = "x01"
down_revision = None
depends_on = "b01"


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("accounts.id")),
    )
    op.create_index("ix_plans_account_id", "plans", ["account_id"])
