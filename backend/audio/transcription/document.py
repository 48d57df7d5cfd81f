"""The transcript document that is stored beside a recording's bytes: language, and words with their times."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from audio.model.artifacts import TRANSCRIPT
from audio.transcription.contract import Segment, Transcript, Word
from storage.contract import Storage

LARGEST_BYTES = 64 * 1024 * 1024


class TranscriptDocument(BaseModel):
    """A stored transcript, version 1. Later versions may add fields, which are preserved when it is rewritten."""

    model_config = ConfigDict(frozen=True, extra="allow")

    version: Literal[1] = 1
    engine: str
    language: str | None
    text: str
    segments: tuple[Segment, ...]
    words: tuple[Word, ...]
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

    def with_improved(self, text: str) -> Self:
        """A copy with an improved wording."""
        return self.model_copy(update={"improved": text})

    def transcript(self) -> Transcript:
        """The document's transcript."""
        return Transcript(self.text, self.language, self.words, self.segments)


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
