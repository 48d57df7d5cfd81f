"""Hold the labels of a resumable upload in one column, so that a label that is new needs none of its own.

The columns `tag` and `category` stay for the servers of the version before, which may run beside this one, and for the
rows that they have inserted.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "s003"
down_revision = "s002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("labels", JSONB()))


def downgrade() -> None:
    op.drop_column("uploads", "labels")
