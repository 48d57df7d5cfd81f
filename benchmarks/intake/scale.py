"""The cases: how large, how many, how often; in full, and small enough for a test."""

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KIB, MIB, GIB = 1024, 1024**2, 1024**3
_UNITS = ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))


@dataclass(frozen=True)
class Case:
    """A load: so many requests with a file of `size` bytes, over so many connections."""

    name: str
    size: int
    connections: int
    requests: int

    def __str__(self) -> str:
        """What goes through."""
        unit, name = next((unit, name) for unit, name in _UNITS if self.size >= unit)
        return f"{self.size // unit} {name} × {self.connections}"  # noqa: RUF001  # no letter is meant


@dataclass(frozen=True)
class Scale:
    """How much of everything: `fast` runs alone, and again beside `slow_clients` of `slow_rate` bytes a second."""

    repeats: int
    uploads: Sequence[Case]
    downloads: Sequence[Case]
    fast: Case
    slow_clients: int
    slow_rate: int
    pause_seconds: float

    @property
    def names(self) -> list[str]:
        """The cases by name."""
        return [case.name for case in (*self.uploads, *self.downloads, self.fast)]

    def needed_bytes(self, *, contestants: int, repeats: int) -> int:
        """The most that lies on the disk at a time, where only the large files are removed after each round."""
        large, *others = self.uploads
        small = sum(case.size * case.requests for case in (*others, self.fast, self.fast))
        return contestants * (large.size + sum(case.size for case in self.downloads) + repeats * small)


FULL = Scale(
    repeats=5,
    uploads=(Case("large", GIB, 1, 1), Case("medium", MIB, 16, 256), Case("small", 64 * KIB, 32, 1024)),
    downloads=(Case("download", GIB, 1, 1), Case("small download", 64 * KIB, 32, 4096)),
    fast=Case("slow", 64 * KIB, 1, 400),
    slow_clients=1000,
    slow_rate=10 * KIB,
    pause_seconds=1,
)
QUICK = Scale(
    repeats=1,
    uploads=(Case("large", 8 * MIB, 1, 1), Case("medium", MIB, 4, 8), Case("small", 64 * KIB, 8, 16)),
    downloads=(Case("download", 8 * MIB, 1, 1), Case("small download", 64 * KIB, 8, 16)),
    fast=Case("slow", 64 * KIB, 1, 10),
    slow_clients=20,
    slow_rate=10 * KIB,
    pause_seconds=0,
)


def write_recording(path: Path, *, size: int, noise: bytes) -> Path:
    """A WAV file of so many bytes, noise to listen to."""
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(48000)
        left = size - 44  # its head
        while left:
            recording.writeframesraw(noise[:left])
            left -= min(left, len(noise))
    return path
