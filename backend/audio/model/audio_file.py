"""The table `audio_files` and the states that a recording passes through.

Databases in the field look exactly like this, so no column is added, renamed or given a server default here.
"""

import uuid
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, DateTime, Enum, Float, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class ProcessingStatus(StrEnum):
    """How far a recording has come."""

    UPLOADED = "uploaded"
    TRANSCRIBING = "transcribing"
    IMPROVING = "improving"
    COMPLETED = "completed"
    FAILED = "failed"


def utc_now() -> datetime:
    """The time as the table keeps it: UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    """What Alembic compares the database with."""


class AudioFile(Base):
    """A recording as the database knows it; its bytes lie in storage under `file_path`."""

    __tablename__ = "audio_files"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    filename: Mapped[str] = mapped_column(String(255))
    original_filename: Mapped[str | None] = mapped_column(String(255))
    file_path: Mapped[str] = mapped_column(String(500), unique=True)
    file_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    duration_seconds: Mapped[float | None] = mapped_column(Float)
    mime_type: Mapped[str | None] = mapped_column(String(100))
    original_transcript: Mapped[str | None] = mapped_column(Text)
    improved_transcript: Mapped[str | None] = mapped_column(Text)
    transcription_engine: Mapped[str | None] = mapped_column(String(50))
    transcription_started_at: Mapped[datetime | None] = mapped_column(DateTime)
    transcription_completed_at: Mapped[datetime | None] = mapped_column(DateTime)
    improvement_completed_at: Mapped[datetime | None] = mapped_column(DateTime)
    user_id: Mapped[str | None] = mapped_column(String(255), index=True)
    upload_timestamp: Mapped[datetime | None] = mapped_column(DateTime, default=utc_now, index=True)
    processing_status: Mapped[ProcessingStatus] = mapped_column(
        Enum(
            ProcessingStatus,
            name="processingstatus",
            values_callable=lambda states: [state.value for state in states],
        ),
        default=ProcessingStatus.UPLOADED,
        index=True,
    )
    error_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime | None] = mapped_column(DateTime, default=utc_now)
    updated_at: Mapped[datetime | None] = mapped_column(DateTime, default=utc_now, onupdate=utc_now)
    tag: Mapped[str | None] = mapped_column(String(100), index=True)
    category: Mapped[str | None] = mapped_column(String(100), index=True)
