"""The use cases of stored recordings: find, list, relabel, remove, retry."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
from sqlalchemy import select

from audio.events.announcements import announce
from audio.events.event_log import EventLog
from audio.library import label_index, pagination, removal
from audio.library.batch_finder import BatchFinder
from audio.library.cursor import Cursor
from audio.library.filters import NEWEST_FIRST, Filters, Sorting
from audio.library.pagination import Page
from audio.model import repository
from audio.model.artifacts import artifacts
from audio.model.audio_file import AudioFile, ProcessingStatus, utc_now
from audio.model.details import checked_labels, labels_among
from audio.model.duplicates import Original, original_of
from audio.model.manifest import has_manifest, renew_manifest
from audio.model.titles import TITLE, checked_title, set_title
from audio.processing import status
from audio.processing.results import TranscriptNotReady, transcript_of
from audio.search.index import SearchIndex
from audio.search.speakers import Range, set_speakers, spoken_ranges
from audio.transcription.contract import clean
from audio.transcription.document import TranscriptDocument, write_document
from core.background import each_of
from core.database.engine import Sessions, statements
from core.errors import PegasusError
from core.labels import label
from storage.contract import Storage, StorageError

log = structlog.get_logger(__name__)


class RecordingMissing(PegasusError):
    message = "There is no such recording."


class RetryRefused(PegasusError):
    """A recording can't be processed again; `reason` is a clause about the recording."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This recording can't be processed again: it {reason}.")


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """The recordings in the table, with their bytes and manifests in storage.

    `owner` is the user whose recordings the caller may see; None: all. Others are reported as missing.
    """

    sessions: Sessions
    finder: BatchFinder
    storage: Storage
    events: EventLog
    index: SearchIndex

    async def find(self, recording_id: UUID, *, owner: str | None) -> AudioFile:
        """The recording with that id. Raises RecordingMissing."""
        async with statements(self.sessions) as session:
            return _existing(await repository.find(session, recording_id, owner=owner))

    async def find_stored(self, recording_id: UUID, *, owner: str | None) -> AudioFile:
        """The same without its transcripts, and with the digest of its bytes. Raises RecordingMissing."""
        return _existing(await self.finder.find(recording_id, owner=owner))

    async def original_of(self, recording: AudioFile) -> Original | None:
        """The recording that came in before this one with the same bytes."""
        async with statements(self.sessions) as session:
            return await original_of(session, recording)

    async def page(
        self,
        filters: Filters,
        *,
        sorting: Sorting = NEWEST_FIRST,
        limit: int,
        offset: int = 0,
        after: Cursor | None = None,
    ) -> Page:
        """The page that begins `offset` recordings after a cursor or the start, with the total number."""
        if filters.text is not None:
            await self.events.catch_up()
            filters = replace(filters, unindexed=not self.index.complete)
        async with self.sessions() as session:
            return await pagination.page(session, filters, sorting=sorting, limit=limit, offset=offset, after=after)

    async def spoken_ranges(self, recordings: Sequence[AudioFile], names: Sequence[str]) -> Mapping[UUID, list[Range]]:
        """What the speakers of these names say in each recording: ranges of its original transcript, in order."""
        async with self.sessions() as session:
            return await spoken_ranges(session, [recording.id for recording in recordings], names)

    async def pages(self, filters: Filters, *, limit: int, after: Cursor | None = None) -> AsyncGenerator[Page]:
        """All pages behind a cursor or the start; one is in memory at a time."""
        while True:
            page = await self.page(filters, limit=limit, after=after)
            yield page
            if page.after is None:
                return
            after = page.after

    async def labels_in_use(self, user_id: str | None) -> tuple[Sequence[str], Sequence[str]]:
        """The tags and the categories of a user's recordings (None: of all)."""
        async with self.sessions() as session:
            return await label_index.labels_in_use(session, user_id)

    async def relabel(self, recording_id: UUID, changes: Mapping[str, str | None], *, owner: str | None) -> AudioFile:
        """Changes a recording's title and labels; those that aren't in `changes` stay.

        Raises RecordingMissing or LabelRefused.
        """
        labels = checked_labels(labels_among(changes))
        title = checked_title(changes.get(TITLE))
        async with self.sessions() as session:
            recording = _existing(await repository.find_and_lock(session, recording_id, owner=owner))
            for field, text in labels.items():
                setattr(recording, field, text)
            if TITLE in changes:
                await set_title(session, recording.id, title)
                recording.updated_at = utc_now()  # so that the search index sees another version of the row
            await announce(session, recording, change="relabelled")
            await session.commit()
        await self.renew_manifests([recording.id])
        return recording

    async def edit_transcript(self, recording_id: UUID, text: str | None, *, owner: str | None) -> AudioFile:
        """Sets another wording of a recording's transcript, beside the words that were heard; None takes it away.

        Raises RecordingMissing, TranscriptNotReady or StorageError.
        """
        async with self.sessions() as session:
            recording = _existing(await repository.find_and_lock(session, recording_id, owner=owner))
            if recording.processing_status in status.IN_PROGRESS:
                raise TranscriptNotReady(recording)
            document = await transcript_of(recording, self.storage)
            wording = clean(text or "") or None
            await write_document(self.storage, recording.file_path, document.with_improved(wording))
            recording.improved_transcript = wording
            recording.updated_at = utc_now()
            await announce(session, recording, change="relabelled")
            await session.commit()
        return recording

    async def name_speakers(
        self, recording_id: UUID, names: Mapping[str, str], *, owner: str | None
    ) -> TranscriptDocument:
        """Names the speakers of a recording's transcript, as it is then; those that aren't in `names` have no name.

        Raises RecordingMissing, TranscriptNotReady, SpeakerUnknown, LabelRefused or StorageError.
        """
        async with self.sessions() as session:
            recording = _existing(await repository.find_and_lock(session, recording_id, owner=owner))
            document = await transcript_of(recording, self.storage)
            document = document.with_speakers(
                {speaker: name for speaker, text in names.items() if (name := label("speaker", text))}
            )
            await write_document(self.storage, recording.file_path, document)
            await set_speakers(session, recording.id, document.spoken())
            recording.updated_at = utc_now()
            await announce(session, recording, change="relabelled")
            await session.commit()
        return document

    async def remove(self, recording_id: UUID, *, owner: str | None) -> None:
        """Removes a recording, its row first, since bytes without a row do no harm. Raises RecordingMissing."""
        async with self.sessions() as session:
            paths = await removal.remove(session, repository.one(recording_id, owner))
            await session.commit()
        if not paths:
            raise RecordingMissing
        await self.remove_bytes(paths)

    async def remove_bytes(self, paths: Mapping[UUID, str]) -> None:
        """Removes the bytes of recordings, by their ids, whose rows are deleted, and all that lies beside them."""
        await each_of(paths.items(), self._remove_bytes)

    async def _remove_bytes(self, removed: tuple[UUID, str]) -> None:
        recording_id, path = removed
        for name in (path, *artifacts(path)):
            try:
                await self.storage.delete(name)
            except StorageError as error:
                log.warning("bytes without a row stay behind", recording=str(recording_id), reason=str(error))

    async def retry(self, recording_id: UUID, *, owner: str | None) -> AudioFile:
        """Processes a recording again that failed, or that was completed without a transcript.

        Steps whose results are stored aren't repeated.
        Raises RecordingMissing, RetryRefused, BytesMissing or StorageError.
        """
        async with self.sessions() as session:
            recording = _existing(await repository.find_and_lock(session, recording_id, owner=owner))
            if recording.processing_status is ProcessingStatus.COMPLETED and recording.original_transcript is not None:
                raise RetryRefused("is completed")
            if not await has_manifest(self.storage, recording.file_path):
                raise RetryRefused("came in before Pegasus processed recordings")
            if not await status.restart(session, recording, storage=self.storage):
                raise RetryRefused("is being processed already")
        return recording

    async def renew_manifests(self, recording_ids: Collection[UUID]) -> None:
        """Updates manifests from their rows, which are locked meanwhile, so that the later of two changes wins."""
        query = select(AudioFile).where(repository.any_of(recording_ids)).order_by(AudioFile.id).with_for_update()
        async with self.sessions() as session:
            newest = (await session.scalars(query.options(*repository.WITHOUT_TRANSCRIPTS))).all()
            await each_of(newest, lambda recording: renew_manifest(self.storage, recording))


def _existing(recording: AudioFile | None) -> AudioFile:
    if recording is None:
        raise RecordingMissing
    return recording
