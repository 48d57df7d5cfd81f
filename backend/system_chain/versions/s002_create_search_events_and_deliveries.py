"""Create what search, events and webhooks need: announced changes, numbered events, vectors, deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "s002"
down_revision = "s001"
branch_labels = None
depends_on = None


def created_at() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def numbered(table: str, number: str) -> None:
    op.create_table(
        table,
        sa.Column(number, sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        created_at(),
    )


def upgrade() -> None:
    numbered("announcements", "id")
    numbered("events", "number")
    op.create_table(
        "search",
        sa.Column("recording_id", sa.Uuid(), primary_key=True),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("vector", TSVECTOR(), nullable=False),
    )
    op.create_index("ix_search_vector", "search", ["vector"], postgresql_using="gin")
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        created_at(),
    )
    op.create_index("ix_deliveries_endpoint_next_try_at", "deliveries", ["endpoint", "next_try_at"])


def downgrade() -> None:
    for table in ("deliveries", "search", "events", "announcements"):
        op.drop_table(table)
