"""Whisper's child process: loads a model, then reads a request per line and writes messages, until its input ends.

Run as `python -m audio.transcription.engines.whisper_child MODEL`, with the extra `[whisper]` installed; with the extra
`[speakers]` the paths of two more models may follow, by which speakers are told apart.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import huggingface_hub.errors
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment as WhisperSegment

from audio.transcription.contract import Segment, Word
from audio.transcription.engines.audio_chunks import split
from audio.transcription.engines.speaker_turns import Turn, speaker_of
from audio.transcription.engines.whisper_message import WhisperMessage

if TYPE_CHECKING:
    from audio.transcription.engines.diarization import Diarization

NICENESS = 10  # uploads come first


class Child:
    """The loaded models, which answer requests with messages to `output`."""

    def __init__(self, model: WhisperModel, diarization: "Diarization | None", output: TextIO) -> None:
        self._model = model
        self._diarization = diarization
        self._output = output

    def answer(self, request: dict[str, str | None]) -> None:
        """Transcribes one recording, chunk by chunk."""
        try:
            self._transcribe(Path(request["samples"] or ""), language=request["language"])
        except FileNotFoundError:
            write_message(self._output, WhisperMessage(kind="refused", text="its file isn't there any more"))

    def _transcribe(self, samples: Path, *, language: str | None) -> None:
        text, turns = "", self._turns(samples)
        for start_seconds, chunk in split(samples):
            try:
                segments, info = self._model.transcribe(
                    chunk,
                    language=language,
                    word_timestamps=True,
                    vad_filter=True,
                    condition_on_previous_text=False,  # an error would be repeated for an hour
                )
            except ValueError:  # for an unknown language
                write_message(
                    self._output, WhisperMessage(kind="refused", text=f"the model doesn't know the language {language}")
                )
                return
            for segment in segments:
                text += segment.text
                language = info.language  # detected in the first chunk with speech, and used for the rest
                write_message(self._output, _segment_message(segment, offset_seconds=start_seconds, turns=turns))
            write_message(self._output, WhisperMessage(kind="heard"))
        write_message(self._output, WhisperMessage(kind="done", text=text, language=language if text.strip() else None))

    def _turns(self, samples: Path) -> Sequence[Turn]:
        if self._diarization is None:
            return ()
        return self._diarization.turns(
            samples, progress=lambda: write_message(self._output, WhisperMessage(kind="heard"))
        )


def _segment_message(segment: WhisperSegment, *, offset_seconds: float, turns: Sequence[Turn]) -> WhisperMessage:
    def timed(kind: Any, text: str, start: float, end: float) -> Any:
        return kind(text, round(offset_seconds + start, 3), round(offset_seconds + end, 3))

    timed_segment: Segment = timed(Segment, segment.text, segment.start, segment.end)
    speaker = speaker_of(timed_segment.start_seconds, timed_segment.end_seconds, turns)
    return WhisperMessage(
        kind="heard",
        segments=(replace(timed_segment, speaker=speaker),),
        words=tuple(timed(Word, word.word, word.start, word.end) for word in segment.words or ()),
    )


def write_message(output: TextIO, message: WhisperMessage) -> None:
    """Writes one message."""
    output.write(message.model_dump_json() + "\n")
    output.flush()


def load(model: str, output: TextIO) -> WhisperModel | None:
    """Loads the model for the CPU, in 8-bit integers; writes a message and returns None when that fails."""
    try:
        return WhisperModel(model, device="cpu", compute_type="int8")
    except huggingface_hub.errors.RepositoryNotFoundError:
        write_message(output, WhisperMessage(kind="refused", text="WHISPER_MODEL names no model that there is"))
    except (huggingface_hub.errors.HfHubHTTPError, OSError):
        reason = "the model that WHISPER_MODEL names is not on this machine, and can't be fetched"
        write_message(output, WhisperMessage(kind="unreachable", text=reason))
    except (ValueError, RuntimeError):
        reason = "WHISPER_MODEL names no model that faster-whisper knows, or a folder that holds none"
        write_message(output, WhisperMessage(kind="refused", text=reason))
    return None


def load_diarization(models: Sequence[str], output: TextIO) -> "Diarization | None":
    """Loads the models that tell speakers apart; writes a message and returns None when that fails."""
    from audio.transcription.engines.diarization import Diarization, DiarizationModelsUnfit  # noqa: PLC0415 - an extra

    segmentation, embedding = models
    try:
        return Diarization(segmentation_model=segmentation, embedding_model=embedding)
    except DiarizationModelsUnfit:
        reason = "SPEAKER_SEGMENTATION_MODEL or SPEAKER_EMBEDDING_MODEL names no model that sherpa-onnx knows"
        write_message(output, WhisperMessage(kind="refused", text=reason))
    return None


def main() -> None:
    """Serves requests. Messages go to a copy of stdout, which is then redirected: libraries may write to it."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.nice(NICENESS)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    model = load(sys.argv[1], output)
    speaker_models = sys.argv[2:]
    diarization = load_diarization(speaker_models, output) if model is not None and speaker_models else None
    if model is None or (speaker_models and diarization is None):
        return
    write_message(output, WhisperMessage(kind="ready"))
    child = Child(model, diarization, output)
    while True:
        child.answer(json.loads(requests.get()))


def _receive(requests: "queue.SimpleQueue[str]") -> None:
    """Queues requests. Exits the process when its input ends, also in the middle of a recording."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
