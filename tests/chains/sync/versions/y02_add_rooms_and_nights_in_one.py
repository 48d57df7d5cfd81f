"""Add rooms and nights in one text."""

from alembic import op

revision = "y02"
down_revision = "y01"


def upgrade() -> None:
    op.execute("ALTER TABLE guests ADD COLUMN nights integer; UPDATE guests SET nights = coalesce(nights, 0) + 1")
    op.create_index("ix_guests_nights", "guests", ["nights"])
