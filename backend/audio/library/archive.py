"""Many recordings as one ZIP file, made while it is sent: each with its manifest, and its transcript where it has one.

The bytes are stored as they are, since audio is compressed already. What is in memory is a piece of one recording, and
the file's directory: some hundred bytes for each entry. An archive breaks off where storage fails, without a directory,
so that nobody takes it for whole; what storage has lost is listed in it.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from datetime import datetime
from functools import partial
from zipfile import ZipFile, ZipInfo

from sqlalchemy import select

from audio.library.archive_names import ArchiveNames
from audio.library.bulk import Selection
from audio.library.recordings import RecordingMissing, Recordings
from audio.model.audio_file import AudioFile, utc_now
from audio.model.manifest import manifest_name
from audio.processing.results import TranscriptNotReady, transcript_of
from audio.transcription import subtitles
from core.errors import PegasusError
from storage.contract import BytesMissing, Storage, StorageError
from storage.threads import in_thread

LARGEST = 10_000  # recordings of one archive; a list's total is exact up to so many
LOST = "missing"
EARLIEST = datetime(1980, 1, 1)  # noqa: DTZ001 - of a ZIP file's times, which have no time zone
_FILE_MODE = 0o644 << 16


class ArchiveTooLarge(PegasusError):
    def __init__(self, *, received: int) -> None:
        super().__init__(f"There are {received} recordings, and at most {LARGEST} come in one archive.")
        self.limit = LARGEST
        self.received = received


async def check(recordings: Recordings, selection: Selection) -> None:
    """Returns where there is something to put into an archive. Raises RecordingMissing or ArchiveTooLarge."""
    if selection.ids is None:
        page = await recordings.page(selection.filters, limit=1)
        total, expected = page.total, 1
    else:
        expected = len(set(selection.ids))
        total = len([recording.id async for recording in _selected(recordings, selection)])
    if total > LARGEST:
        raise ArchiveTooLarge(received=total)
    if total < expected:
        raise RecordingMissing


async def archive(recordings: Recordings, selection: Selection) -> AsyncGenerator[bytes]:
    """The bytes of a ZIP file with the recordings. Raises StorageError or DatabaseProblem, wherever it is then."""
    output = _Output()
    with ZipFile(output, "w") as zip_file:
        async with aclosing(_entries(recordings, selection)) as entries:
            async for entry, pieces in entries:
                expected_bytes = entry.file_size
                with zip_file.open(entry, "w") as file:
                    async with aclosing(pieces):
                        async for piece in pieces:
                            await in_thread(partial(file.write, piece))  # a checksum takes a while
                            for written in output.take():
                                yield written
                if entry.file_size != expected_bytes:
                    raise StorageError(f"Storage has sent {entry.file_size} of {expected_bytes} bytes.")
    for written in output.take():
        yield written


class _Output:
    """What `ZipFile` writes to: it can't seek, so sizes and checksums follow the bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(piece)
        return len(piece)

    def flush(self) -> None:
        """There is nothing behind it."""

    def close(self) -> None:
        """There is nothing to close."""

    def take(self) -> list[bytes]:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces


async def _entries(
    recordings: Recordings, selection: Selection
) -> AsyncGenerator[tuple[ZipInfo, AsyncGenerator[bytes]]]:
    """The entries of an archive, each with its bytes in pieces. Raises StorageError or DatabaseProblem."""
    names, lost, storage = ArchiveNames(reserved=LOST), list[str](), recordings.storage
    async with aclosing(_selected(recordings, selection)) as selected:
        async for recording in selected:
            stem, path = names.stem(recording), recording.file_path
            moment = recording.upload_timestamp or utc_now()
            try:
                size = await storage.size(path)
            except BytesMissing:
                lost.append(f"{recording.id} {stem}\n")
            else:
                yield _entry(f"{stem}{names.extension(recording)}", moment, size=size), storage.read(path)
            async for extension, content in _beside(recording, storage):
                yield _entry(f"{stem}{extension}", moment, size=len(content)), _whole(content)
    if lost:
        content = "".join(lost).encode()
        yield _entry(f"{LOST}.txt", utc_now(), size=len(content)), _whole(content)


async def _selected(recordings: Recordings, selection: Selection) -> AsyncGenerator[AudioFile]:
    """The recordings of a selection, in its order; a batch of them is in memory."""
    async with aclosing(selection.batches(recordings, after=None)) as batches:
        async for ids, _ in batches:
            async with recordings.sessions() as session:
                rows = await session.scalars(select(AudioFile).where(*selection.conditions(ids)))
                by_id = {recording.id: recording for recording in rows}
            for recording_id in ids:
                if recording_id in by_id:
                    yield by_id[recording_id]


def _entry(name: str, moment: datetime, *, size: int) -> ZipInfo:
    """An entry; from 2 GiB on it is one of ZIP64."""
    entry = ZipInfo(name, max(moment, EARLIEST).timetuple()[:6])
    entry.file_size, entry.external_attr = size, _FILE_MODE
    return entry


async def _whole(content: bytes) -> AsyncGenerator[bytes]:
    yield content


async def _beside(recording: AudioFile, storage: Storage) -> AsyncIterator[tuple[str, bytes]]:
    """What lies beside a recording's bytes, each with its extension. Raises StorageError."""
    with suppress(BytesMissing):  # a recording from before there were manifests
        yield ".json", b"".join([piece async for piece in storage.read(manifest_name(recording.file_path))])
    try:
        document = await transcript_of(recording, storage)
    except TranscriptNotReady:
        return
    heard = document.transcript()
    yield ".txt", (recording.improved_transcript or subtitles.txt(heard)).encode()
    if subtitles.cues(heard):
        yield ".vtt", subtitles.vtt(heard).encode()
