"""Reads the results of processing: waveform, playback variant, transcript."""

from dataclasses import dataclass

from audio.model.artifacts import playback_name, waveform_name
from audio.model.audio_file import AudioFile
from audio.model.manifest import read_manifest
from audio.processing.status import IN_PROGRESS
from audio.processing.waveform import LARGEST_BYTES
from audio.transcription.document import TranscriptDocument, read_document
from core.errors import PegasusError
from storage.contract import BytesMissing, Storage


class NotReady(PegasusError):
    """An artifact doesn't exist, yet or for ever."""

    artifact: str

    def __init__(self, recording: AudioFile) -> None:
        when = "isn't ready yet" if recording.processing_status in IN_PROGRESS else "was never made"
        super().__init__(f"The {self.artifact} of this recording {when}.")


class WaveformNotReady(NotReady):
    artifact = "waveform"


class PlaybackNotReady(NotReady):
    """Whether the recording needs a playback variant isn't known yet."""

    artifact = "playback variant"


class TranscriptNotReady(NotReady):
    artifact = "transcript"


@dataclass(frozen=True, kw_only=True)
class Playback:
    """A playback variant in storage."""

    name: str
    extension: str
    mime_type: str


async def waveform_of(recording: AudioFile, storage: Storage) -> bytes:
    """The waveform as JSON. Raises WaveformNotReady or StorageError."""
    name = waveform_name(recording.file_path)
    try:
        return b"".join([piece async for piece in storage.read(name, stop=LARGEST_BYTES)])
    except BytesMissing as error:
        raise WaveformNotReady(recording) from error


async def playback_of(recording: AudioFile, storage: Storage) -> Playback | None:
    """The playback variant; None where there is only the original. Raises PlaybackNotReady or StorageError."""
    path = recording.file_path
    try:
        properties = (await read_manifest(storage, path)).found
    except (BytesMissing, ValueError):  # it is older than manifests, and is never processed
        return None
    if properties is None and recording.processing_status in IN_PROGRESS:
        raise PlaybackNotReady(recording)
    if properties is None or properties.playback_extension is None or properties.playback_mime_type is None:
        return None
    name = playback_name(path, extension=properties.playback_extension)
    return Playback(name=name, extension=properties.playback_extension, mime_type=properties.playback_mime_type)


async def transcript_of(recording: AudioFile, storage: Storage) -> TranscriptDocument:
    """The transcript with its times, or its text alone where only the row has it.

    Raises TranscriptNotReady or StorageError.
    """
    text = recording.original_transcript
    if text is None:
        raise TranscriptNotReady(recording)
    try:
        return await read_document(storage, recording.file_path)
    except (BytesMissing, ValueError):
        return TranscriptDocument.of_text(text, engine=recording.transcription_engine)
