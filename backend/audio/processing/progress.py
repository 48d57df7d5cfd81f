"""How far a recording has come: each step of the walk is one UPDATE that only the first of two who try it makes.

uploaded → transcribing → improving → completed, or from any of them → failed; without an engine uploaded → completed.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from audio import repository
from audio.events.announcements import announce, announcing
from audio.models import AudioFile, ProcessingStatus
from audio.processing.jobs import ENQUEUE, Job, parameters

UNDER_WAY = (ProcessingStatus.UPLOADED, ProcessingStatus.TRANSCRIBING, ProcessingStatus.IMPROVING)
_NO_TRACE: dict[str, Any] = {"processing_status": ProcessingStatus.UPLOADED, "error_message": None}


async def advance(
    session: AsyncSession,
    recording_id: UUID,
    *,
    since: Collection[ProcessingStatus],
    to: ProcessingStatus,
    **changes: object,
) -> bool:
    """Takes a recording from one of the states `since` into the state `to`, with other columns' values, and commits.

    False when it isn't in such a state any more, or isn't there.
    """
    step = update(AudioFile).where(AudioFile.id == recording_id, AudioFile.processing_status.in_(since))
    taken = await session.scalar(announcing(step.values(processing_status=to, **changes), change="progressed"))
    await session.commit()
    return taken is not None


async def begin_again(session: AsyncSession, recording: AudioFile) -> bool:
    """Puts a recording, which `session` has locked, back to where it was when it came in, and commits.

    False, with nothing changed, when a job of it waits or runs.
    """
    connection = await repository.driver_connection(session)
    queued = await connection.fetch(ENQUEUE, *parameters([Job(recording.id)]))
    if not queued:
        await session.rollback()
        return False
    for column, value in _NO_TRACE.items():
        setattr(recording, column, value)
    await announce(session, recording.id, change="progressed")
    await session.commit()
    return True
