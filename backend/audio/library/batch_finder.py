"""Lookups of stored recordings; those that come while others are under way go together."""

from collections.abc import Sequence
from uuid import UUID

from audio.model import repository
from audio.model.audio_file import AudioFile
from core.batching import Batches
from core.database.engine import Sessions, statements


class BatchFinder:
    """Finds stored recordings for all requests of this process."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._lookups = Batches(self._find_all)

    async def find(self, recording_id: UUID, *, owner: str | None) -> AudioFile | None:
        """The recording of that id, if it is the owner's (None: anybody's), without its transcripts.

        Others may have the same object: it isn't to be changed.
        """
        recording = await self._lookups.put(recording_id)
        return recording if recording is not None and owner in (None, recording.user_id) else None

    async def _find_all(self, recording_ids: Sequence[UUID]) -> Sequence[AudioFile | None]:
        async with statements(self._sessions) as session:
            stored = {recording.id: recording for recording in await repository.find_stored(session, recording_ids)}
        return [stored.get(recording_id) for recording_id in recording_ids]
