"""Create the table audio_files, its type and its indexes.

Each object is made only where it is missing, so that a database made by `init_db.py` can be upgraded as it is.
"""

import logging
from typing import Any, cast

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.base import PGInspector

revision = "001"
down_revision = None
branch_labels = None
depends_on = None

log = logging.getLogger("alembic.revision.001")

STATUS = postgresql.ENUM(
    "uploaded", "transcribing", "improving", "completed", "failed", name="processingstatus", create_type=False
)
INDEXED = ("processing_status", "upload_timestamp", "user_id")


def columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("original_filename", sa.String(255)),
        sa.Column("file_path", sa.String(500), nullable=False),
        sa.Column("file_size_bytes", sa.BigInteger()),
        sa.Column("duration_seconds", sa.Float()),
        sa.Column("mime_type", sa.String(100)),
        sa.Column("original_transcript", sa.Text()),
        sa.Column("improved_transcript", sa.Text()),
        sa.Column("transcription_engine", sa.String(50)),
        sa.Column("transcription_started_at", sa.DateTime()),
        sa.Column("transcription_completed_at", sa.DateTime()),
        sa.Column("improvement_completed_at", sa.DateTime()),
        sa.Column("user_id", sa.String(255)),
        sa.Column("upload_timestamp", sa.DateTime()),
        sa.Column("processing_status", STATUS, nullable=False),
        sa.Column("error_message", sa.Text()),
        sa.Column("created_at", sa.DateTime()),
        sa.Column("updated_at", sa.DateTime()),
    ]


def upgrade() -> None:
    database = None if context.is_offline_mode() else cast("PGInspector", sa.inspect(op.get_bind()))
    if database and database.has_type("processingstatus"):
        log.info("skipped: the type processingstatus exists")
    else:
        STATUS.create(op.get_bind(), checkfirst=False)
        log.info("created: the type processingstatus")

    if database and database.has_table("audio_files"):
        complete_table(database)
    else:
        op.create_table("audio_files", *columns(), sa.PrimaryKeyConstraint("id"), sa.UniqueConstraint("file_path"))
        log.info("created: the table audio_files")

    for column in INDEXED:
        index = f"ix_audio_files_{column}"
        if database and database.has_index("audio_files", index):
            log.info("skipped: the index %s exists", index)
        else:
            op.create_index(index, "audio_files", [column])
            log.info("created: the index %s", index)


def complete_table(database: PGInspector) -> None:
    """A table that exists isn't a table that is whole: each column and the unique constraint is looked for."""
    log.info("skipped: the table audio_files exists")
    present = {column["name"] for column in database.get_columns("audio_files")}
    for column in columns():
        if column.name not in present:
            op.add_column("audio_files", column)
            log.info("created: the column audio_files.%s", column.name)
    unique = [constraint["column_names"] for constraint in database.get_unique_constraints("audio_files")]
    if ["file_path"] not in unique:
        op.create_unique_constraint(None, "audio_files", ["file_path"])
        log.info("created: the unique constraint on audio_files.file_path")


def downgrade() -> None:
    op.drop_table("audio_files")
    STATUS.drop(op.get_bind(), checkfirst=False)
