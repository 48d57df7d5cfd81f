"""The jobs of a child, by name: each takes two open files and arguments, and returns values of JSON's types."""

import io
import pkgutil
import wave
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, TypeAlias

import av

from audio.processing.decoder.measurement import examine
from audio.processing.decoder.remux import remux
from audio.processing.decoder.resampling import write_samples
from audio.processing.decoder.transcode import transcode

Jobs: TypeAlias = Mapping[str, Callable[..., dict[str, Any]]]
JOBS: Final[Jobs] = {"examine": examine, "remux": remux, "samples": write_samples, "transcode": transcode}


def warm_up() -> None:
    """Imports all of PyAV, which imports parts of itself lazily, and runs the jobs once.

    A child can't import anything: its sandbox denies it to open files.
    """
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    recording = _recording()
    for cpu_seconds in (60, 0):  # a full pass, and a coarser one
        examine(io.BytesIO(recording), demuxer="wav", cpu_seconds=cpu_seconds)
    transcode(io.BytesIO(recording), io.BytesIO(), demuxer="wav", codec="pcm_s16le")
    write_samples(io.BytesIO(recording), io.BytesIO(), demuxer="wav", longest_seconds=1)


def _recording() -> bytes:
    with io.BytesIO() as file:
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(8000)
            writer.writeframes(bytes(1600))
        return file.getvalue()
