"""Create the tables beyond audio_files: tokens, idempotency keys, resumable uploads, the storage's identity."""

import sqlalchemy as sa
from alembic import op

revision = "s001"
down_revision = None
branch_labels = None
depends_on = None


def created_at() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("admin", sa.Boolean(), nullable=False),
        sa.Column("label", sa.Text()),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False, unique=True),
        created_at(),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        created_at(),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Text()),
        sa.Column("token_id", sa.Uuid()),
        sa.Column("length_bytes", sa.BigInteger()),
        sa.Column("file_name", sa.Text()),
        sa.Column("file_type", sa.Text()),
        sa.Column("tag", sa.Text()),
        sa.Column("category", sa.Text()),
        created_at(),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recording_id", sa.Uuid()),
    )
    for column in ("token_id", "user_id", "expires_at"):
        op.create_index(f"ix_uploads_{column}", "uploads", [column])
    op.create_table(
        "storage_identity",
        sa.Column(
            "singleton", sa.Boolean(), sa.CheckConstraint("singleton"), server_default=sa.true(), primary_key=True
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def downgrade() -> None:
    for table in ("storage_identity", "uploads", "idempotency_keys", "tokens"):
        op.drop_table(table)
