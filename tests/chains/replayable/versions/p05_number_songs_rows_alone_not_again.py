"""Number songs: rows alone, not again."""

from alembic import op

revision = "p05"
down_revision = "p04"


def upgrade() -> None:
    op.execute("UPDATE songs SET title = title || '.'")
