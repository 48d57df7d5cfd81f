"""Index parts while they are in use."""

import sqlalchemy as sa
from alembic import op

revision = "t03"
down_revision = "t02"


def upgrade() -> None:
    op.add_column("parts", sa.Column("label", sa.Text(), nullable=True))
    with op.get_context().autocommit_block():
        op.create_index("ix_parts_label", "parts", ["label"], postgresql_concurrently=True)
