"""Hold the digests of recordings, by which the same bytes are found again, and what is to become of such an upload.

Recordings from before have no digest here; the sweeper adds it from their manifests.
"""

import sqlalchemy as sa
from alembic import op

revision = "s007"
down_revision = "s006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "digests",
        sa.Column("recording_id", sa.Uuid(), primary_key=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(), nullable=True),
    )
    op.create_index("ix_digests_sha256", "digests", ["sha256", "user_id", "uploaded_at"])
    op.add_column("uploads", sa.Column("duplicates", sa.Text()))


def downgrade() -> None:
    op.drop_column("uploads", "duplicates")
    op.drop_table("digests")
