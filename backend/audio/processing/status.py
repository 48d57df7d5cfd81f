"""How far a recording has come: each step of the walk is one UPDATE that only the first of two who try it makes.

uploaded → transcribing → improving → completed, or from any of them → failed; without an engine uploaded → completed.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.announcements import announce, announcing
from audio.model import repository
from audio.model.audio_file import AudioFile, ProcessingStatus
from audio.model.manifest import renew_manifest
from audio.processing.jobs import ENQUEUE, Job, parameters
from core.database.engine import Sessions, driver_connection
from core.errors import PegasusError
from core.observability.trace_context import TraceContext
from storage.contract import Storage

UNDER_WAY = (ProcessingStatus.UPLOADED, ProcessingStatus.TRANSCRIBING, ProcessingStatus.IMPROVING)
# Uploads don't wait while the disk takes in what a crash of PostgreSQL may as well undo: the job's end, which is
# committed later and so isn't kept without it. Whoever numbers events makes durable what these tell of.
_LAZILY = text("SET LOCAL synchronous_commit = off")
_NO_TRACE: dict[str, Any] = {"processing_status": ProcessingStatus.UPLOADED, "error_message": None}


async def advance(
    session: AsyncSession,
    recording_id: UUID,
    *,
    storage: Storage,
    since: Collection[ProcessingStatus],
    to: ProcessingStatus,
    **changes: object,
) -> bool:
    """Takes a recording from one of the states `since` into the state `to`, with other columns' values, and commits.

    Its manifest follows before the commit. False when it isn't in such a state any more, or isn't there.
    """
    await commit_lazily(session)
    step = update(AudioFile).where(AudioFile.id == recording_id, AudioFile.processing_status.in_(since))
    taken = await session.scalar(announcing(step.values(processing_status=to, **changes), change="progressed"))
    if taken is not None and (recording := await repository.find(session, recording_id, owner=None)) is not None:
        await renew_manifest(storage, recording)
    await session.commit()
    return taken is not None


async def commit_lazily(session: AsyncSession) -> None:
    """Lets this transaction's commit wait for no disk: for what a job does, and does again should it be lost."""
    await session.execute(_LAZILY)


class Gone(PegasusError):
    """The recording was deleted, or somebody else has taken it further."""


async def take_further(
    sessions: Sessions,
    recording_id: UUID,
    *,
    storage: Storage,
    since: Collection[ProcessingStatus] = UNDER_WAY,
    to: ProcessingStatus,
    **changes: object,
) -> None:
    """As `advance`, where whoever does it can't go on otherwise. Raises Gone."""
    async with sessions() as session:
        if not await advance(session, recording_id, storage=storage, since=since, to=to, **changes):
            raise Gone


async def begin_again(session: AsyncSession, recording: AudioFile, *, storage: Storage) -> bool:
    """Puts a recording, which `session` has locked, back to where it was when it came in, and commits.

    False, with nothing changed, when a job of it waits or runs.
    """
    connection = await driver_connection(session)
    queued = await connection.fetch(ENQUEUE, *parameters([Job(recording.id, TraceContext.current())]))
    if not queued:
        await session.rollback()
        return False
    for column, value in _NO_TRACE.items():
        setattr(recording, column, value)
    await announce(session, recording.id, change="progressed")
    await renew_manifest(storage, recording)
    await session.commit()
    return True
