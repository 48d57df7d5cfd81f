"""The table `audio_files`, what becomes of each of its columns, and the states that a recording passes through.

Databases in the field look exactly like this, so no column is added, renamed or given a server default here.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Flag, StrEnum, auto
from typing import Any, cast

from sqlalchemy import BigInteger, Column, DateTime, Enum, Float, String, Table, Text, select
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from audio.model.damage import Damage
from core.database.system_tables import digests, titles


class ProcessingStatus(StrEnum):
    """How far a recording has come."""

    UPLOADED = "uploaded"
    TRANSCRIBING = "transcribing"
    IMPROVING = "improving"
    COMPLETED = "completed"
    FAILED = "failed"


class Use(Flag):
    """What becomes of a column beside the table: the statements, schemas and files that follow from it."""

    INSERTED = auto()  # its value is known when the recording is uploaded
    IN_MANIFEST = auto()  # it lies in the manifest, and is given back from there
    ANNOUNCED = auto()  # event streams and webhooks tell it
    SHOWN = auto()  # a recording over HTTP has it
    LABEL = auto()  # clients send it with an upload, by its name, and may change it: a short text


EVERYWHERE: dict[Any, Any] = {"use": Use.INSERTED | Use.IN_MANIFEST | Use.ANNOUNCED | Use.SHOWN}
LABEL: dict[Any, Any] = {"use": EVERYWHERE["use"] | Use.LABEL}
AFTER_UPLOAD: dict[Any, Any] = {"use": Use.IN_MANIFEST | Use.ANNOUNCED | Use.SHOWN}
STEP_TIME: dict[Any, Any] = {"use": Use.IN_MANIFEST | Use.SHOWN}
TEXT: dict[Any, Any] = {"use": Use.SHOWN}  # it may be long, and lies in a file of its own


def utc_now() -> datetime:
    """The time as the table keeps it: UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    """What Alembic compares the database with."""


class AudioFile(Base):
    """A recording as the database knows it; its bytes lie in storage under `file_path`."""

    __tablename__ = "audio_files"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4, info=EVERYWHERE)
    filename: Mapped[str] = mapped_column(String(255), info=EVERYWHERE)
    original_filename: Mapped[str | None] = mapped_column(String(255), info=EVERYWHERE)
    file_path: Mapped[str] = mapped_column(String(500), unique=True, info={"use": Use.INSERTED})
    file_size_bytes: Mapped[int | None] = mapped_column(BigInteger, info=EVERYWHERE)
    duration_seconds: Mapped[float | None] = mapped_column(Float, info={"use": Use.ANNOUNCED | Use.SHOWN})
    mime_type: Mapped[str | None] = mapped_column(String(100), info=EVERYWHERE)
    original_transcript: Mapped[str | None] = mapped_column(Text, info=TEXT)
    improved_transcript: Mapped[str | None] = mapped_column(Text, info=TEXT)
    transcription_engine: Mapped[str | None] = mapped_column(String(50), info=AFTER_UPLOAD)
    transcription_started_at: Mapped[datetime | None] = mapped_column(DateTime, info=STEP_TIME)
    transcription_completed_at: Mapped[datetime | None] = mapped_column(DateTime, info=STEP_TIME)
    improvement_completed_at: Mapped[datetime | None] = mapped_column(DateTime, info=STEP_TIME)
    user_id: Mapped[str | None] = mapped_column(String(255), index=True, info=EVERYWHERE)
    upload_timestamp: Mapped[datetime | None] = mapped_column(DateTime, default=utc_now, index=True, info=EVERYWHERE)
    processing_status: Mapped[ProcessingStatus] = mapped_column(
        Enum(
            ProcessingStatus,
            name="processingstatus",
            values_callable=lambda states: [state.value for state in states],
        ),
        default=ProcessingStatus.UPLOADED,
        index=True,
        info=EVERYWHERE,
    )
    error_message: Mapped[str | None] = mapped_column(Text, info=AFTER_UPLOAD)
    created_at: Mapped[datetime | None] = mapped_column(DateTime, default=utc_now, info=EVERYWHERE)
    updated_at: Mapped[datetime | None] = mapped_column(DateTime, default=utc_now, onupdate=utc_now, info=EVERYWHERE)
    tag: Mapped[str | None] = mapped_column(String(100), index=True, info=LABEL | {"example": "Work"})
    category: Mapped[str | None] = mapped_column(String(100), index=True, info=LABEL | {"example": "Meeting"})

    # What a person calls it; the table has no column for that.
    title: Mapped[str | None] = column_property(
        select(titles.c.title).where(titles.c.recording_id == id).scalar_subquery()  # noqa: A003 - the column
    )
    # The digest of its bytes, where that table has it; loaded where it is asked for.
    sha256: Mapped[bytes | None] = column_property(
        select(digests.c.sha256).where(digests.c.recording_id == id).scalar_subquery(),  # noqa: A003 - the column
        deferred=True,
        raiseload=True,
    )

    @property
    def damaged(self) -> Damage | None:
        """How much of it could be read, where that isn't all."""
        return Damage.read(self.error_message)


_WITHOUT_VALUES = dict.fromkeys((*cast("Table", AudioFile.__table__).columns.keys(), "title"))


def new_recording(**values: Any) -> AudioFile:
    """A recording that is in no session and has no row yet; columns without a value are None.

    The values go past SQLAlchemy's history of changes, which nobody asks for: it would take as long as to insert them.
    """
    recording = AudioFile()
    vars(recording).update(_WITHOUT_VALUES | values)
    return recording


def values_of(recording: AudioFile, names: Iterable[str]) -> dict[str, Any]:
    """The values of a recording's attributes. To ask each attribute is a call; most are loaded, and need none."""
    loaded = vars(recording)
    return {name: loaded[name] if name in loaded else getattr(recording, name) for name in names}


def columns(use: Use) -> list[Column[Any]]:
    """The columns with that use, in the table's order."""
    table = cast("Table", AudioFile.__table__)
    return [column for column in table.columns if use in column.info["use"]]
