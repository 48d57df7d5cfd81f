"""A recording's waveform: the lowest and the highest sample of each section."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

LARGEST_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """Pairs of levels, each for `samples_per_pixel` samples over all channels; the last may cover fewer.

    `data` alternates the lowest and the highest level, of 16 bits: with 8 a quiet voice memo would look like stairs.
    There are at most 4,096 pairs, since `samples_per_pixel` doubles with the length, so that a waveform has at most
    60 kB.
    """

    BITS: ClassVar = 16
    MOST_PAIRS: ClassVar = 4096
    SILENCE_LEVEL: ClassVar = 32  # -60 dB of full scale: dither and a codec's noise in silence

    sample_rate_hz: int
    samples_per_pixel: int
    data: tuple[int, ...]

    @property
    def silent(self) -> bool:
        """Whether nothing in it is louder than SILENCE_LEVEL."""
        return max(map(abs, self.data), default=0) <= self.SILENCE_LEVEL

    def to_dict(self) -> dict[str, Any]:
        """In the shape of audiowaveform's JSON, version 2 (audiowaveform, doc/DataFormat.md), which peaks.js reads."""
        return {
            "version": 2,
            "channels": 1,
            "sample_rate": self.sample_rate_hz,
            "samples_per_pixel": self.samples_per_pixel,
            "bits": self.BITS,
            "length": len(self.data) // 2,
            "data": list(self.data),
        }

    def to_json(self) -> bytes:
        """The same, encoded."""
        return json.dumps(self.to_dict(), separators=(",", ":")).encode()
