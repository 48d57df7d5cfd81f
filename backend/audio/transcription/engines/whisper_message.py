"""What Whisper's process says, one JSON document a line."""

from typing import Literal

from pydantic import BaseModel

from audio.transcription.contract import Segment, Word


class Message(BaseModel):
    """`ready` once, after loading. Then for each recording `heard` after each stretch, and `done` with the whole text.

    Or `refused` or `unreachable` with the reason in `text`; after `unreachable` the process is of no more use.
    """

    kind: Literal["ready", "heard", "done", "refused", "unreachable"]
    text: str = ""
    language: str | None = None
    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()
