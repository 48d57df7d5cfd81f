"""Match with a percent sign."""

from alembic import op

revision = "y04"
down_revision = "y03"


def upgrade() -> None:
    op.execute("CREATE VIEW quiet AS SELECT id FROM rooms WHERE name LIKE '100%%'")
    with op.get_context().autocommit_block():
        op.create_index("ix_rooms_rate", "rooms", ["rate"], postgresql_concurrently=True)
