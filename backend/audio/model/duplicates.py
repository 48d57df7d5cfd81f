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
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

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

    def is_before(self, other: "Original") -> bool:
        """Whether it came in first."""
        times = [one.uploaded_at or datetime.max.replace(tzinfo=UTC) for one in (self, other)]
        return (times[0], self.id) < (times[1], other.id)

    def as_json(self) -> dict[str, Any]:
        """Its values as JSON has them."""
        return _ORIGINAL.dump_python(self, mode="json")  # type: ignore[no-any-return]


# Enters the digests of recordings: `{recordings}` has the columns of their table, `{sent}` id and sha256.
ENTER_DIGESTS = f"""
    INSERT INTO {SCHEMA}.digests (recording_id, sha256, user_id, uploaded_at)
    SELECT id, sent.sha256, coalesce(entered.user_id, ''), entered.upload_timestamp
    FROM {{recordings}} AS entered JOIN {{sent}} AS sent USING (id) ON CONFLICT (recording_id) DO NOTHING
"""  # noqa: S608 - names of ours
_ORIGINAL = TypeAdapter(Original)
# The originals of the rows in `sent`, a query with the columns id, user_id and sha256, as an object by their ids.
# Some digests may be of recordings that an older server has deleted. LIMIT and OFFSET 0 let PostgreSQL read along the
# index of digests and look up each recording by its id, however many have the same bytes, and whatever it knows of the
# tables: it would walk along the upload times, or through all recordings while it has no statistics yet.
ORIGINALS = f"""
    SELECT json_object_agg(sent.id, original)::text FROM sent CROSS JOIN LATERAL (
        SELECT older.id, (SELECT title FROM {SCHEMA}.titles WHERE recording_id = older.id) AS title,
            older.original_filename, older.upload_timestamp AT TIME ZONE 'UTC' AS uploaded_at
        FROM (
            SELECT recording_id FROM {SCHEMA}.digests
            WHERE sha256 = sent.sha256 AND user_id = coalesce(sent.user_id, '') AND recording_id <> sent.id
            ORDER BY uploaded_at LIMIT 100
        ) AS same
        CROSS JOIN LATERAL (SELECT * FROM audio_files WHERE id = same.recording_id OFFSET 0) AS older
        LIMIT 1
    ) AS original
"""  # noqa: S608 - names of ours
_OF_NEW = text(
    f"WITH sent AS (SELECT CAST(:id AS uuid) AS id, CAST(:user_id AS text) AS user_id, CAST(:sha256 AS bytea) AS sha256"  # noqa: S608
    f" WHERE NOT EXISTS (SELECT FROM audio_files WHERE id = :id)) {ORIGINALS}"
)
_OF_ENTERED = text(
    f"WITH sent AS (SELECT recording_id AS id, user_id, sha256 FROM {SCHEMA}.digests WHERE recording_id = :id)"  # noqa: S608
    f" {ORIGINALS}"
)


def read_originals(content: str | None) -> dict[UUID, Original]:
    """What ORIGINALS returns, by the ids of the recordings that were sent."""
    return {UUID(id_): _ORIGINAL.validate_python(values) for id_, values in json.loads(content or "{}").items()}


async def find_original(session: AsyncSession, recording: AudioFile, *, sha256: bytes) -> AudioFile | None:
    """The first recording with these bytes, which nobody deletes before the transaction's end.

    None for a recording that is in the table already: it isn't new.
    """
    values = {"id": recording.id, "user_id": recording.user_id, "sha256": sha256}
    original = read_originals(await session.scalar(_OF_NEW, values)).get(recording.id)
    if original is None:
        return None
    query = select(AudioFile).where(AudioFile.id == original.id).with_for_update(read=True, key_share=True)
    return await session.scalar(query)


async def original_of(session: AsyncSession, recording: AudioFile) -> Original | None:
    """The recording with the same bytes that came in before another one."""
    original = read_originals(await session.scalar(_OF_ENTERED, {"id": recording.id})).get(recording.id)
    if original is None or Original.of(recording).is_before(original):
        return None
    return original


async def add_digests(session: AsyncSession, by_recording: Mapping[UUID, bytes]) -> None:
    """Adds recordings' digests, where there are none; the caller commits."""
    sent = "(SELECT * FROM UNNEST(CAST(:ids AS uuid[]), CAST(:digests AS bytea[])) AS t (id, sha256))"
    statement = text(ENTER_DIGESTS.format(recordings="audio_files", sent=sent))
    await session.execute(statement, {"ids": list(by_recording), "digests": list(by_recording.values())})


async def remove_digests(session: AsyncSession, recording_ids: Collection[UUID]) -> None:
    """Removes recordings' digests; the caller commits."""
    await session.execute(delete(digests).where(any_of(recording_ids, digests.c.recording_id)))


async def without_digest(session: AsyncSession, recording_ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of the bytes of those recordings that have no digest yet, by their ids."""
    has_digest = select(digests.c.recording_id).where(digests.c.recording_id == AudioFile.id).exists()
    query = select(AudioFile.id, AudioFile.file_path).where(any_of(recording_ids), ~has_digest)
    return {row.id: row.file_path for row in await session.execute(query)}
