"""What a child can be asked to do, by name: a job takes two open files and strings, and answers with JSON's types."""

import io
import wave
from collections.abc import Callable
from typing import Any

from audio.processing.decoder.examine import examine
from audio.processing.decoder.remux import remux
from audio.processing.decoder.transcode import transcode

JOBS: dict[str, Callable[..., dict[str, Any]]] = {"examine": examine, "remux": remux, "transcode": transcode}


def warm_up() -> None:
    """Runs the jobs once, so that no child has to import anything: it couldn't open the file."""
    with io.BytesIO() as file:
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(8000)
            writer.writeframes(bytes(1600))
        recording = file.getvalue()
    examine(io.BytesIO(recording), demuxer="wav")
    transcode(io.BytesIO(recording), io.BytesIO(), demuxer="wav")
