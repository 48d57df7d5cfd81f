"""Trim titles: rows alone."""

from alembic import op

revision = "p03"
down_revision = "p02"
replay_safe = True


def upgrade() -> None:
    op.execute("UPDATE songs SET title = trim(title)")
