"""Count on, then index outside a transaction: what was counted is committed before the index is there."""

from alembic import op

revision = "q02"
down_revision = "q01"


def upgrade() -> None:
    op.execute("UPDATE counters SET n = n + 1")
    with op.get_context().autocommit_block():
        op.create_index("ix_counters_n", "counters", ["n"], postgresql_concurrently=True)
