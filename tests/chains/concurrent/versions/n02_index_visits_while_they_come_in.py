"""Index visits while they come in."""

import sqlalchemy as sa
from alembic import op

revision = "n02"
down_revision = "n01"


def upgrade() -> None:
    op.add_column("visits", sa.Column("seconds", sa.Integer(), nullable=True))
    with op.get_context().autocommit_block():
        op.create_index("ix_visits_page", "visits", ["page"], postgresql_concurrently=True)
        op.create_index("ix_visits_seconds", "visits", ["seconds"], postgresql_concurrently=True)
    op.add_column("visits", sa.Column("agent", sa.Text(), nullable=True))
