"""Recordings with the same bytes, found by their SHA-256, which a table beside `audio_files` holds.

Only one user's recordings are compared with each other; without users all are.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from audio.model.audio_file import AudioFile
from audio.model.repository import any_of
from core.database.system_tables import SCHEMA, digests
from core.labels import LabelRefused

DUPLICATES = "duplicates"


class DuplicatePolicy(StrEnum):
    """What becomes of an upload whose bytes are there already: another recording, nothing, or the one that is there."""

    KEEP = "keep"
    REFUSE = "refuse"
    RETURN = "return"


class PolicyUnknown(LabelRefused):
    def __init__(self) -> None:
        super().__init__(DUPLICATES, f"can be {', '.join(DuplicatePolicy)}")


def checked_policy(text: str | None) -> DuplicatePolicy | None:
    """The policy of that name; None where none is named. Raises PolicyUnknown."""
    try:
        return DuplicatePolicy(text) if text else None
    except ValueError as error:
        raise PolicyUnknown from error


@dataclass(frozen=True, kw_only=True)
class Original:
    """The first recording with the same bytes as another one."""

    id: UUID
    title: str | None
    original_filename: str | None
    uploaded_at: datetime | None

    @classmethod
    def of(cls, recording: AudioFile) -> "Original":
        """A recording as the original of others."""
        uploaded_at = recording.upload_timestamp
        return cls(
            id=recording.id,
            title=recording.title,
            original_filename=recording.original_filename,
            uploaded_at=None if uploaded_at is None else uploaded_at.replace(tzinfo=UTC),
        )

    def as_json(self) -> dict[str, Any]:
        """Its values as JSON has them."""
        return _ORIGINAL.dump_python(self, mode="json")  # type: ignore[no-any-return]


INTO_DIGESTS = f"INSERT INTO {SCHEMA}.digests (recording_id, sha256)"
_ORIGINAL = TypeAdapter(Original)
# The originals of the rows in `sent`, a query with the columns id, user_id and sha256, as an object by their ids.
# LATERAL: the index is asked for each, whatever PostgreSQL takes the table's size for.
ORIGINALS = f"""
    SELECT json_object_agg(sent.id, original)::text FROM sent CROSS JOIN LATERAL (
        SELECT older.id, (SELECT title FROM {SCHEMA}.titles WHERE recording_id = older.id) AS title,
            older.original_filename, older.upload_timestamp AT TIME ZONE 'UTC' AS uploaded_at
        FROM {SCHEMA}.digests JOIN audio_files AS older ON older.id = digests.recording_id
        WHERE digests.sha256 = sent.sha256 AND older.id <> sent.id AND older.user_id IS NOT DISTINCT FROM sent.user_id
        ORDER BY older.upload_timestamp, older.id LIMIT 1
    ) AS original
"""  # noqa: S608 - names of ours


def read_originals(content: str | None) -> dict[UUID, Original]:
    """What ORIGINALS returns, by the ids of the recordings that were sent."""
    return {UUID(id_): _ORIGINAL.validate_python(values) for id_, values in json.loads(content or "{}").items()}


async def find_original(session: AsyncSession, recording: AudioFile, *, sha256: bytes) -> AudioFile | None:
    """The first other recording with these bytes, which nobody deletes before the transaction's end.

    None for a recording that is in the table already: it isn't new.
    """
    itself = aliased(AudioFile)
    query = (
        select(AudioFile)
        .join(digests, digests.c.recording_id == AudioFile.id)
        .where(digests.c.sha256 == sha256, AudioFile.user_id.is_not_distinct_from(recording.user_id))
        .where(~select(itself.id).where(itself.id == recording.id).exists())
        .order_by(AudioFile.upload_timestamp, AudioFile.id)
        .limit(1)
        .with_for_update(read=True, key_share=True, of=AudioFile)
    )
    return await session.scalar(query)


async def original_of(session: AsyncSession, recording_id: UUID) -> Original | None:
    """The first other recording that has the bytes of a recording, and came in before it."""
    itself, its_digest = aliased(AudioFile), aliased(digests)
    query = (
        select(AudioFile)
        .join(digests, digests.c.recording_id == AudioFile.id)
        .join(its_digest, its_digest.c.sha256 == digests.c.sha256)
        .join(itself, itself.id == its_digest.c.recording_id)
        .where(its_digest.c.recording_id == recording_id, AudioFile.id != recording_id)
        .where(AudioFile.user_id.is_not_distinct_from(itself.user_id))
        .where(AudioFile.upload_timestamp <= itself.upload_timestamp)
        .order_by(AudioFile.upload_timestamp, AudioFile.id)
        .limit(1)
    )
    recording = await session.scalar(query)
    return None if recording is None else Original.of(recording)


async def add_digests(session: AsyncSession, by_recording: Mapping[UUID, bytes]) -> None:
    """Adds recordings' digests, where there are none; the caller commits."""
    rows = [{"recording_id": recording_id, "sha256": sha256} for recording_id, sha256 in by_recording.items()]
    if rows:
        await session.execute(insert(digests).values(rows).on_conflict_do_nothing())


async def remove_digests(session: AsyncSession, recording_ids: Collection[UUID]) -> None:
    """Removes recordings' digests; the caller commits."""
    await session.execute(delete(digests).where(any_of(recording_ids, digests.c.recording_id)))


async def without_digest(session: AsyncSession, recording_ids: Collection[UUID]) -> list[AudioFile]:
    """Those of the recordings that have no digest yet."""
    has_digest = select(digests.c.recording_id).where(digests.c.recording_id == AudioFile.id).exists()
    return list((await session.scalars(select(AudioFile).where(any_of(recording_ids), ~has_digest))).all())
