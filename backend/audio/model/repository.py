"""Recordings, found by their ids; lists are read in library/."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, bindparam, false, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer, undefer

from audio.model.audio_file import AudioFile

WITHOUT_TRANSCRIPTS = defer(AudioFile.original_transcript), defer(AudioFile.improved_transcript)
# Built once: to build a statement takes longer than to send it.
_FIND = select(AudioFile).where(AudioFile.id == bindparam("recording_id"))
_FIND_OWN = _FIND.where(AudioFile.user_id == bindparam("owner"))
_FIND_STORED = (
    select(AudioFile)
    .where(AudioFile.id == func.any(bindparam("recording_ids", type_=ARRAY(Uuid))))
    .options(*WITHOUT_TRANSCRIPTS, undefer(AudioFile.sha256))
)
_INTO_A_FILE = text("SET LOCAL work_mem = '64kB'")
_SOME_ROOM = text("SELECT count(*) FROM unnest(array_fill(repeat('x', 8192), ARRAY[128]))")


async def check_writable(session: AsyncSession) -> None:
    """Returns when rows can be entered: the database takes changes, and its disk has room for some more.

    The first is told by the lock of no row, which a read-only database refuses, the second by a temporary file:
    neither leaves anything behind. In a session of `Sessions` it raises DatabaseProblem.
    """
    await session.execute(select(AudioFile.id).where(false()).with_for_update())
    await session.execute(_INTO_A_FILE)
    await session.execute(_SOME_ROOM)


async def find(session: AsyncSession, recording_id: UUID, *, owner: str | None) -> AudioFile | None:
    """The recording of that id, if it is the owner's (None: anybody's)."""
    parameters = {"recording_id": recording_id, "owner": owner}
    return await session.scalar(_FIND if owner is None else _FIND_OWN, parameters)


async def find_stored(session: AsyncSession, recording_ids: Collection[UUID]) -> Sequence[AudioFile]:
    """The recordings of these ids that there are, without their transcripts, and with the digests of their bytes."""
    return (await session.scalars(_FIND_STORED, {"recording_ids": list(recording_ids)})).all()


async def find_and_lock(session: AsyncSession, recording_id: UUID, *, owner: str | None) -> AudioFile | None:
    """The same, and nobody else changes it until the transaction ends."""
    query = select(AudioFile).where(*one(recording_id, owner)).with_for_update()
    return await session.scalar(query.execution_options(populate_existing=True))


async def lock(session: AsyncSession, conditions: Sequence[ColumnElement[bool]]) -> Sequence[UUID]:
    """The ids of the recordings that meet the conditions; nobody else changes these until the transaction ends.

    They are locked in the order of their ids, so that two transactions which lock many never wait for each other.
    """
    query = select(AudioFile.id).where(*conditions).order_by(AudioFile.id).with_for_update()
    return (await session.scalars(query)).all()


def any_of(recording_ids: Collection[UUID], column: ColumnElement[UUID] | None = None) -> ColumnElement[bool]:
    """The condition for the recordings of these ids, as one parameter however many there are."""
    column = AudioFile.id.expression if column is None else column
    return column == func.any(literal(list(recording_ids), ARRAY(Uuid)))


def one(recording_id: UUID, owner: str | None) -> list[ColumnElement[bool]]:
    """The conditions for the recording of that id, if it is the owner's (None: anybody's)."""
    return [AudioFile.id == recording_id, *([] if owner is None else [AudioFile.user_id == owner])]
