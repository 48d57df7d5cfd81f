"""Whisper's own process: loads a model once, then reads a request a line and writes messages, until its input ends.

Run as `python -m audio.transcription.engines.whisper_child MODEL`, with the extra `[whisper]` installed.
"""

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

import huggingface_hub.errors
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment as Heard

from audio.transcription.contract import Segment, Word
from audio.transcription.engines.audio_chunks import stretches
from audio.transcription.engines.whisper_message import Message

NICENESS = 10  # uploads come first


class Child:
    """The loaded model, and where its messages go."""

    def __init__(self, model: WhisperModel, output: TextIO) -> None:
        self._model = model
        self._output = output

    def answer(self, request: dict[str, str | None]) -> None:
        """Transcribes one recording, stretch by stretch, so that memory doesn't grow with its length."""
        try:
            self._transcribe(Path(request["samples"] or ""), language=request["language"])
        except FileNotFoundError:
            say(self._output, Message(kind="refused", text="its file isn't there any more"))

    def _transcribe(self, samples: Path, *, language: str | None) -> None:
        text = ""
        for begins_seconds, stretch in stretches(samples):
            try:
                heard, about = self._model.transcribe(
                    stretch,
                    language=language,
                    word_timestamps=True,
                    vad_filter=True,
                    condition_on_previous_text=False,  # what is misheard once must not be repeated for an hour
                )
            except ValueError:  # the one value that comes from outside
                say(self._output, Message(kind="refused", text=f"the model doesn't know the language {language}"))
                return
            for segment in heard:
                text += segment.text
                language = about.language  # found out where somebody speaks, and kept to the end
                say(self._output, _heard(segment, begins_seconds=begins_seconds))
            say(self._output, Message(kind="heard"))
        say(self._output, Message(kind="done", text=text, language=language if text.strip() else None))


def _heard(segment: Heard, *, begins_seconds: float) -> Message:
    def timed(kind: Any, text: str, start: float, end: float) -> Any:
        return kind(text, round(begins_seconds + start, 3), round(begins_seconds + end, 3))

    return Message(
        kind="heard",
        segments=(timed(Segment, segment.text, segment.start, segment.end),),
        words=tuple(timed(Word, word.word, word.start, word.end) for word in segment.words or ()),
    )


def say(output: TextIO, message: Message) -> None:
    """Writes one message."""
    output.write(message.model_dump_json() + "\n")
    output.flush()


def load(model: str, output: TextIO) -> WhisperModel | None:
    """The model, on the processor in 8-bit integers; None, and a message, when it can't be had."""
    try:
        return WhisperModel(model, device="cpu", compute_type="int8")
    except huggingface_hub.errors.RepositoryNotFoundError:
        say(output, Message(kind="refused", text="WHISPER_MODEL names no model that there is"))
    except (huggingface_hub.errors.HfHubHTTPError, OSError):
        reason = "the model that WHISPER_MODEL names is not on this machine, and can't be fetched"
        say(output, Message(kind="unreachable", text=reason))
    except (ValueError, RuntimeError):
        reason = "WHISPER_MODEL names no model that faster-whisper knows, or a folder that holds none"
        say(output, Message(kind="refused", text=reason))
    return None


def main() -> None:
    """Serves requests. Messages get the descriptor that was stdout's, which libraries may write to."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.nice(NICENESS)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    model = load(sys.argv[1], output)
    if model is None:
        return
    say(output, Message(kind="ready"))
    child = Child(model, output)
    while True:
        child.answer(json.loads(requests.get()))


def _receive(requests: "queue.SimpleQueue[str]") -> None:
    """Hands requests on, and ends the process with the server's, in the middle of a recording too."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
