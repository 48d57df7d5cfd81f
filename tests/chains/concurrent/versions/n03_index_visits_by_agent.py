"""Index visits by agent."""

from alembic import op

revision = "n03"
down_revision = "n02"


def upgrade() -> None:
    op.create_index("ix_visits_agent", "visits", ["agent"])
