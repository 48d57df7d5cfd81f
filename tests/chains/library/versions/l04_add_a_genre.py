"""Add a genre."""

from alembic import op

revision = "l04"
down_revision = "l03"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE genre ADD VALUE 'essay'")
