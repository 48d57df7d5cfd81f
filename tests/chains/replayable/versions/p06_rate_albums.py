"""Rate albums."""

import sqlalchemy as sa
from alembic import op

revision = "p06"
down_revision = "p05"


def upgrade() -> None:
    op.add_column("albums", sa.Column("stars", sa.Integer(), nullable=True))
    op.create_index("ix_albums_stars", "albums", ["stars"])
