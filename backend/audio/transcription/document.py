"""The transcript document that is stored beside a recording's bytes: language, and words with their times."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from audio.model.artifacts import TRANSCRIPT
from audio.search.highlights import SEARCHED_CHARACTERS
from audio.search.speakers import Range, Speaker
from audio.transcription.contract import Segment, Transcript, Word
from core.errors import PegasusError
from storage.contract import Storage

LARGEST_BYTES = 64 * 1024 * 1024


class SpeakerUnknown(PegasusError):
    def __init__(self, speaker: str) -> None:
        super().__init__(f"Nobody in this transcript is speaker {speaker}.")
        self.speaker = speaker


class TranscriptDocument(BaseModel):
    """A stored transcript, version 1. Later versions may add fields, which are preserved when it is rewritten."""

    model_config = ConfigDict(frozen=True, extra="allow")

    version: Literal[1] = 1
    engine: str
    language: str | None
    text: str
    segments: tuple[Segment, ...]
    words: tuple[Word, ...]
    speakers: Mapping[str, str] = {}  # the names that people gave to speakers
    improved: str | None = None  # the improved wording

    @classmethod
    def of(cls, transcript: Transcript, *, engine: str) -> Self:
        """The document of an engine's transcript."""
        return cls(
            engine=engine,
            language=transcript.language,
            text=transcript.text,
            segments=transcript.segments,
            words=transcript.words,
        )

    @classmethod
    def of_text(cls, text: str, *, engine: str | None, improved: str | None = None) -> Self:
        """The document of a transcript that only the row has: without times."""
        return cls(engine=engine or "", language=None, text=text, segments=(), words=(), improved=improved)

    def with_improved(self, text: str | None) -> Self:
        """A copy with another improved wording, or none."""
        return self.model_copy(update={"improved": text})

    def with_speakers(self, names: Mapping[str, str]) -> Self:
        """A copy with other names of its speakers. Raises SpeakerUnknown."""
        spoken_by = {segment.speaker for segment in self.segments}
        for speaker in names:
            if speaker not in spoken_by:
                raise SpeakerUnknown(speaker)
        return self.model_copy(update={"speakers": dict(names)})

    def transcript(self) -> Transcript:
        """The document's transcript, with its speakers by their names; those without one are counted."""
        segments = tuple(replace(segment, speaker=self._name(segment.speaker)) for segment in self.segments)
        return Transcript(self.text, self.language, self.words, segments)

    def spoken(self) -> list[Speaker]:
        """Who speaks, and in which ranges of the text's searched beginning."""
        ranges: dict[str, list[Range]] = {}
        for segment, end in Transcript(self.text, segments=self.segments).segment_ends():
            if segment.speaker and end <= SEARCHED_CHARACTERS:
                ranges.setdefault(segment.speaker, []).append((end - len(segment.text), end))
        labels = sorted({segment.speaker for segment in self.segments if segment.speaker})
        return [Speaker(name=self._name(label) or "", spoken=ranges.get(label, ())) for label in labels]

    def _name(self, speaker: str | None) -> str | None:
        return None if speaker is None else self.speakers.get(speaker, f"Speaker {speaker}")


def document_name(name: str) -> str:
    """The name of the transcript of the bytes under `name`."""
    return f"{name}{TRANSCRIPT}"


async def write_document(storage: Storage, name: str, document: TranscriptDocument) -> None:
    """Stores the transcript beside the bytes under `name`. Raises StorageError."""
    await storage.replace(document_name(name), document.model_dump_json().encode())


async def read_document(storage: Storage, name: str) -> TranscriptDocument:
    """The transcript beside the bytes under `name`. Raises BytesMissing, or ValueError when it is malformed."""
    content = b"".join([piece async for piece in storage.read(document_name(name), stop=LARGEST_BYTES)])
    return TranscriptDocument.model_validate_json(content)
