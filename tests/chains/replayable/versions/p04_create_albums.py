"""Create albums."""

import sqlalchemy as sa
from alembic import op

revision = "p04"
down_revision = "p03"


def upgrade() -> None:
    op.create_table(
        "albums", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("title", sa.Text(), nullable=False)
    )
    op.create_index("ix_albums_title", "albums", ["title"])
