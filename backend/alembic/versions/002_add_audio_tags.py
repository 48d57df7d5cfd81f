"""Add tag and category to audio_files, each with its index.

Each object is made only where it is missing, so that a half-applied upgrade can be run again.
"""

import logging

import sqlalchemy as sa
from alembic import context, op

revision = "002"
down_revision = "001"
branch_labels = None
depends_on = None

log = logging.getLogger("alembic.revision.002")

ADDED = ("tag", "category")


def upgrade() -> None:
    database = None if context.is_offline_mode() else sa.inspect(op.get_bind())
    present = {column["name"] for column in database.get_columns("audio_files")} if database else set()
    for column in ADDED:
        if column in present:
            log.info("skipped: the column audio_files.%s exists", column)
        else:
            op.add_column("audio_files", sa.Column(column, sa.String(100)))
            log.info("created: the column audio_files.%s", column)

    for column in ADDED:
        index = f"ix_audio_files_{column}"
        if database and database.has_index("audio_files", index):
            log.info("skipped: the index %s exists", index)
        else:
            op.create_index(index, "audio_files", [column])
            log.info("created: the index %s", index)


def downgrade() -> None:
    for column in reversed(ADDED):
        op.drop_index(f"ix_audio_files_{column}", table_name="audio_files")
    for column in reversed(ADDED):
        op.drop_column("audio_files", column)
