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
        total = sum([len(batch) async for batch in _batches(recordings, selection)])
    if total > LARGEST:
        raise ArchiveTooLarge(received=total)
    if total < expected:
        raise RecordingMissing


async def archive(recordings: Recordings, selection: Selection) -> AsyncGenerator[bytes]:
    """The bytes of a ZIP file with the recordings. Raises StorageError or DatabaseProblem, wherever it is then."""
    names, lost, output = ArchiveNames(reserved=LOST), list[str](), _Output()
    with ZipFile(output, "w") as zip_file:
        async with aclosing(_batches(recordings, selection)) as batches:
            async for batch in batches:
                for recording in batch:
                    stem = names.stem(recording)
                    try:
                        size = await recordings.storage.size(recording.file_path)
                    except BytesMissing:
                        lost.append(f"{recording.id} {stem}\n")
                    else:
                        entry = _entry(f"{stem}{names.extension(recording)}", recording, size=size)
                        async with aclosing(_store(zip_file, entry, recording, recordings.storage)) as steps:
                            async for _ in steps:
                                for piece in output.take():
                                    yield piece
                    async for extension, content in _beside(recording, recordings.storage):
                        zip_file.writestr(_entry(f"{stem}{extension}", recording, size=len(content)), content)
        if lost:
            zip_file.writestr(f"{LOST}.txt", "".join(lost))
    for piece in output.take():
        yield piece


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


async def _batches(recordings: Recordings, selection: Selection) -> AsyncGenerator[list[AudioFile]]:
    async with aclosing(selection.batches(recordings, after=None)) as batches:
        async for ids, _ in batches:
            async with recordings.sessions() as session:
                rows = await session.scalars(select(AudioFile).where(*selection.conditions(ids)))
                by_id = {recording.id: recording for recording in rows}
            yield [by_id[recording_id] for recording_id in ids if recording_id in by_id]


def _entry(name: str, recording: AudioFile, *, size: int) -> ZipInfo:
    """An entry; from 2 GiB on it is one of ZIP64."""
    moment = max(recording.upload_timestamp or utc_now(), EARLIEST)
    entry = ZipInfo(name, moment.timetuple()[:6])
    entry.file_size, entry.external_attr = size, _FILE_MODE
    return entry


async def _store(zip_file: ZipFile, entry: ZipInfo, recording: AudioFile, storage: Storage) -> AsyncGenerator[None]:
    """Writes a recording's bytes piece by piece. Raises StorageError."""
    size, written = entry.file_size, 0
    with zip_file.open(entry, "w") as file:
        async with aclosing(storage.read(recording.file_path)) as pieces:
            async for piece in pieces:
                await in_thread(partial(file.write, piece))  # its checksum takes as long as a piece is large
                written += len(piece)
                yield
    if written != size:
        raise StorageError(f"Storage has sent {written} of {size} bytes.")


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
