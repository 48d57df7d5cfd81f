"""The messages of Whisper's child process, one JSON document per line."""

from typing import Literal

from pydantic import BaseModel

from audio.transcription.contract import Segment, Word


class WhisperMessage(BaseModel):
    """`ready` once, after loading. Then for each recording `heard` for segments, and `done` with the whole text.

    Or `refused` or `unreachable` with the reason in `text`; after `unreachable` the process can't be used any more.
    """

    kind: Literal["ready", "heard", "done", "refused", "unreachable"]
    text: str = ""
    language: str | None = None
    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()
