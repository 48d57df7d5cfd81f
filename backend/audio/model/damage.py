"""How much of a damaged recording could be read.

The row says it in `error_message`, which manifest, events and a rebuilt table have as well. It is read from there: a
sentence of its own, behind the reason of a failure where there is one.
"""

import re
from dataclasses import dataclass
from typing import Self

_SENTENCE = "Only {percent:.1f}% of this recording could be read: the rest of the file is damaged or missing."
_PATTERN = re.compile(r"(?:^| )" + re.escape(_SENTENCE).replace(r"\{percent:\.1f\}", r"(\d+\.\d)") + "$")
_MOST_PERCENT, _LEAST_PERCENT = 99.9, 0.1


@dataclass(frozen=True)
class Damage:
    """The share of a recording's sound that could be read, more than 0 and less than 1."""

    readable_share: float

    @classmethod
    def of(cls, readable_share: float) -> Self | None:
        """The damage of a recording, with its share in tenths of a percent; None where all of it could be read."""
        if readable_share >= 1:
            return None
        percent = min(max(round(readable_share * 100, 1), _LEAST_PERCENT), _MOST_PERCENT)
        return cls(round(percent / 100, 3))

    @classmethod
    def read(cls, message: str | None) -> Self | None:
        """The damage that a row's `error_message` tells of."""
        match = _PATTERN.search(message or "")
        return None if match is None else cls(round(float(match[1]) / 100, 3))

    def __str__(self) -> str:
        """The sentence for `error_message`."""
        return _SENTENCE.format(percent=self.readable_share * 100)
