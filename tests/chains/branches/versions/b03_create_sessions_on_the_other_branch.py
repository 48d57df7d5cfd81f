"""Create sessions, on the other branch."""

import sqlalchemy as sa
from alembic import op

revision = "b03"
down_revision = "b01"


def upgrade() -> None:
    op.create_table("sessions", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("sessions", sa.Column("token", sa.Text(), nullable=True))
    op.create_index("ix_sessions_token", "sessions", ["token"])
