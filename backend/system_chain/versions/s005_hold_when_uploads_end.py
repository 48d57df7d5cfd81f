"""Hold of a resumable upload whether it ends at its length, and the digests that it must have."""

import sqlalchemy as sa
from alembic import op

revision = "s005"
down_revision = "s004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("finishes_at_length", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("uploads", sa.Column("sha256", sa.LargeBinary()))
    op.add_column("uploads", sa.Column("sha512", sa.LargeBinary()))


def downgrade() -> None:
    for column in ("sha512", "sha256", "finishes_at_length"):
        op.drop_column("uploads", column)
