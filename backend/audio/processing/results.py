"""What processing has found out about a recording, for whoever asks: waveform, playback variant, transcript."""

from dataclasses import dataclass

from audio.model.artifacts import playback_name, waveform_name
from audio.model.audio_file import AudioFile
from audio.model.manifest import read_manifest
from audio.processing.status import UNDER_WAY
from audio.processing.waveform import LARGEST_BYTES
from audio.transcription.document import TranscriptDocument, read_document
from core.errors import PegasusError
from storage.contract import BytesMissing, Storage


class NotReady(PegasusError):
    """Something isn't there yet, or never will be."""

    what: str

    def __init__(self, recording: AudioFile) -> None:
        when = "isn't ready yet" if recording.processing_status in UNDER_WAY else "was never made"
        super().__init__(f"The {self.what} of this recording {when}.")


class WaveformNotReady(NotReady):
    """The recording has no waveform, yet or for ever."""

    what = "waveform"


class PlaybackNotReady(NotReady):
    """Whether the recording needs a playback variant isn't known yet."""

    what = "playback variant"


class TranscriptNotReady(NotReady):
    """The recording has no transcript, yet or for ever."""

    what = "transcript"


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
    """The playback variant; None where the original is all there is. Raises PlaybackNotReady or StorageError."""
    path = recording.file_path
    try:
        found = (await read_manifest(storage, path)).found
    except (BytesMissing, ValueError):  # it came before there were manifests, and is never processed
        return None
    if found is None and recording.processing_status in UNDER_WAY:
        raise PlaybackNotReady(recording)
    if found is None or found.playback_extension is None or found.playback_mime_type is None:
        return None
    name = playback_name(path, extension=found.playback_extension)
    return Playback(name=name, extension=found.playback_extension, mime_type=found.playback_mime_type)


async def transcript_of(recording: AudioFile, storage: Storage) -> TranscriptDocument:
    """The transcript with its times, or the text alone where only the row has it.

    Raises TranscriptNotReady or StorageError.
    """
    text = recording.original_transcript
    if text is None:
        raise TranscriptNotReady(recording)
    try:
        return await read_document(storage, recording.file_path)
    except (BytesMissing, ValueError):
        return TranscriptDocument.of_text(text, engine=recording.transcription_engine)
