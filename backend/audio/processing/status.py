"""A recording's status: each transition is one UPDATE, which succeeds for only one of two concurrent workers.

uploaded → transcribing → improving → completed, or from any of them → failed; without an engine uploaded → completed.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.announcements import announce, announcing
from audio.model import repository
from audio.model.audio_file import AudioFile, ProcessingStatus
from audio.model.manifest import renew_manifest
from audio.processing.jobs import ENQUEUE, Job, parameters
from audio.search.speakers import Speaker, set_speakers
from core.database.engine import Sessions, driver_connection
from core.errors import PegasusError
from core.observability.trace_context import TraceContext
from storage.contract import Storage

IN_PROGRESS = (ProcessingStatus.UPLOADED, ProcessingStatus.TRANSCRIBING, ProcessingStatus.IMPROVING)
# Without waiting for the disk, so that uploads don't wait for it either. A crash of PostgreSQL may undo such a commit,
# but then undoes the later commit of the job's end as well, so the job runs again. The commit that numbers the events
# is synchronous, which makes these durable before anyone hears of them.
_ASYNCHRONOUS_COMMIT = text("SET LOCAL synchronous_commit = off")


async def advance(
    session: AsyncSession,
    recording_id: UUID,
    *,
    storage: Storage,
    since: Collection[ProcessingStatus],
    to: ProcessingStatus,
    speakers: Sequence[Speaker] | None = None,
    **changes: object,
) -> bool:
    """Sets a recording's status from one of `since` to `to`, with other columns' values, and commits.

    With `speakers` these are the speakers of its transcript. Its manifest is written before the commit. False when it
    has another status, or was deleted.
    """
    await commit_asynchronously(session)
    step = update(AudioFile).where(AudioFile.id == recording_id, AudioFile.processing_status.in_(since))
    advanced_id = await session.scalar(announcing(step.values(processing_status=to, **changes), change="progressed"))
    recording = await repository.find_and_lock(session, recording_id, owner=None) if advanced_id is not None else None
    if recording is not None:
        if speakers is not None:
            await set_speakers(session, recording_id, speakers)
        await renew_manifest(storage, recording)
    await session.commit()
    return advanced_id is not None


async def commit_asynchronously(session: AsyncSession) -> None:
    """Lets this transaction's commit not wait for the disk: for changes that a job repeats when they are lost."""
    await session.execute(_ASYNCHRONOUS_COMMIT)


class StaleRecording(PegasusError):
    """The recording was deleted, or another worker has changed its status."""


async def advance_or_raise(
    sessions: Sessions,
    recording_id: UUID,
    *,
    storage: Storage,
    since: Collection[ProcessingStatus] = IN_PROGRESS,
    to: ProcessingStatus,
    speakers: Sequence[Speaker] | None = None,
    **changes: object,
) -> None:
    """As `advance`, but raises StaleRecording where that returns False."""
    async with sessions() as session:
        advanced = await advance(
            session, recording_id, storage=storage, since=since, to=to, speakers=speakers, **changes
        )
        if not advanced:
            raise StaleRecording


async def restart(session: AsyncSession, recording: AudioFile, *, storage: Storage) -> bool:
    """Resets a recording, which `session` has locked, to uploaded, enqueues a job for it, and commits.

    False, with nothing changed, when a job of it is queued or running.
    """
    connection = await driver_connection(session)
    queued = await connection.fetch(ENQUEUE, *parameters([Job(recording.id, TraceContext.current())]))
    if not queued:
        await session.rollback()
        return False
    recording.processing_status = ProcessingStatus.UPLOADED
    recording.error_message = str(recording.damaged) if recording.damaged else None
    await announce(session, recording, change="progressed")
    await renew_manifest(storage, recording)
    await session.commit()
    return True
