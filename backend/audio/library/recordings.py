"""What is done with recordings once they are in: found, listed, relabelled, opened, removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from audio.events.announcements import announce
from audio.events.event_log import EventLog
from audio.library import label_index, pagination, removal
from audio.library.cursor import Cursor
from audio.library.filters import NEWEST_FIRST, Filters, Sorting
from audio.library.pagination import Page
from audio.model import repository
from audio.model.artifacts import artifacts
from audio.model.audio_file import AudioFile, ProcessingStatus
from audio.model.manifest import has_manifest, renew_manifest
from audio.processing import status
from audio.search.index import SearchIndex
from core.database.engine import Sessions
from core.errors import PegasusError
from core.labels import label
from storage.contract import Storage, StorageError

log = structlog.get_logger(__name__)


class RecordingMissing(PegasusError):
    """There is no recording of that id."""

    def __init__(self) -> None:
        super().__init__("There is no such recording.")


class RetryRefused(PegasusError):
    """A recording can't be processed again, now or ever; `reason` is a clause about it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This recording can't be processed again: it {reason}.")


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """The recordings in the table, with their bytes and manifests in storage.

    `owner` is whose recordings there are for the caller; None is everybody's. Another's is missing like one that isn't.
    """

    sessions: Sessions
    storage: Storage
    events: EventLog
    index: SearchIndex

    async def find(self, recording_id: UUID, *, owner: str | None) -> AudioFile:
        """The recording of that id. Raises RecordingMissing."""
        async with self.sessions() as session:
            return _there(await repository.find(session, recording_id, owner=owner))

    async def page(
        self,
        wanted: Filters,
        *,
        sorting: Sorting = NEWEST_FIRST,
        limit: int,
        offset: int = 0,
        after: Cursor | None = None,
    ) -> Page:
        """A page of the wanted recordings in an order, which begins `offset` recordings behind a cursor or the start.

        It says how many there are in all.
        """
        if wanted.text is not None:
            await self.events.catch_up()
            wanted = replace(wanted, unindexed=not self.index.complete)
        async with self.sessions() as session:
            return await pagination.page(session, wanted, sorting=sorting, limit=limit, offset=offset, after=after)

    async def labels_in_use(self, user_id: str | None) -> tuple[Sequence[str], Sequence[str]]:
        """The tags and the categories that the user's recordings bear; of everybody's without a user."""
        async with self.sessions() as session:
            return await label_index.labels_in_use(session, user_id)

    async def relabel(self, recording_id: UUID, changes: Mapping[str, str | None], *, owner: str | None) -> AudioFile:
        """Gives a recording another tag, category or both; what `changes` doesn't name stays.

        Raises RecordingMissing or LabelRefused.
        """
        kept = {field: label(field, text) for field, text in changes.items()}
        async with self.sessions() as session:
            recording = _there(await repository.find_and_lock(session, recording_id, owner=owner))
            for field, text in kept.items():
                setattr(recording, field, text)
            await announce(session, recording.id, change="relabelled")
            await session.commit()
        await self._renew_manifest(recording)
        return recording

    async def remove(self, recording_id: UUID, *, owner: str | None) -> None:
        """Removes a recording, its row first: bytes without a row do no harm. Raises RecordingMissing."""
        async with self.sessions() as session:
            path = await removal.remove(session, recording_id, owner=owner)
            await session.commit()
        if path is None:
            raise RecordingMissing
        for name in (path, *artifacts(path)):
            try:
                await self.storage.delete(name)
            except StorageError as error:
                log.warning("bytes without a row stay behind", recording=str(recording_id), reason=str(error))

    async def retry(self, recording_id: UUID, *, owner: str | None) -> AudioFile:
        """Has a recording processed again: one that failed, or that was completed without a transcript.

        What was found before isn't found again. Raises RecordingMissing, RetryRefused, BytesMissing or StorageError.
        """
        async with self.sessions() as session:
            recording = _there(await repository.find_and_lock(session, recording_id, owner=owner))
            if recording.processing_status is ProcessingStatus.COMPLETED and recording.original_transcript is not None:
                raise RetryRefused("is completed")
            if not await has_manifest(self.storage, recording.file_path):
                raise RetryRefused("came in before Pegasus processed recordings")
            if not await status.restart(session, recording, storage=self.storage):
                raise RetryRefused("is being processed already")
        return recording

    async def _renew_manifest(self, recording: AudioFile) -> None:
        """Lets the manifest follow the row, which is locked meanwhile, so that of two changes the later one stays."""
        async with self.sessions() as session:
            newest = await repository.find_and_lock(session, recording.id, owner=None)
            if newest is not None:
                await renew_manifest(self.storage, newest)


def _there(recording: AudioFile | None) -> AudioFile:
    if recording is None:
        raise RecordingMissing
    return recording
