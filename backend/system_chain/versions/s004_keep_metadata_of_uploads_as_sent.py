"""Keep the metadata of a resumable upload as its client sent them, to give them back.

Uploads of the version before have none: what is given back of theirs is made from their names and labels.
"""

import sqlalchemy as sa
from alembic import op

revision = "s004"
down_revision = "s003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("metadata", sa.Text()))


def downgrade() -> None:
    op.drop_column("uploads", "metadata")
