"""Hold who speaks in recordings, by which these are found, and which parts of their transcripts are whose.

Transcripts from before have no speakers here; the sweeper adds them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

revision = "s008"
down_revision = "s007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "speakers",
        sa.Column("recording_id", sa.Uuid(), primary_key=True),
        sa.Column("vector", TSVECTOR(), nullable=False),
        sa.Column("names", ARRAY(sa.Text()), nullable=False),
        sa.Column("spoken", JSONB(), nullable=False),
    )
    op.create_index("ix_speakers_vector", "speakers", ["vector"], postgresql_using="gin")


def downgrade() -> None:
    op.drop_table("speakers")
