"""Rename shelves to racks."""

from alembic import op

revision = "l06"
down_revision = "l05"


def upgrade() -> None:
    op.rename_table("shelves", "racks")
    op.alter_column("racks", "floor", new_column_name="storey")
