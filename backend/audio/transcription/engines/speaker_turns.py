"""Says who speaks a segment, by the turns of the speakers that were told apart in the same recording."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

CLEAR_SHARE = 0.5  # of a segment that its speaker says at least,
CLEAR_FACTOR = 2  # and how many times as much as anybody else


@dataclass(frozen=True, slots=True)
class Turn:
    """A time in which a speaker speaks; others may speak at the same time."""

    start_seconds: float
    end_seconds: float
    speaker: str


def speaker_of(start_seconds: float, end_seconds: float, turns: Sequence[Turn]) -> str | None:
    """The speaker whose turns overlap that time the most; None where it isn't clear who speaks."""
    overlaps: dict[str, float] = defaultdict(float)
    for turn in turns:
        overlaps[turn.speaker] += max(0.0, min(end_seconds, turn.end_seconds) - max(start_seconds, turn.start_seconds))
    (speaker, most), (_, second) = (*sorted(overlaps.items(), key=lambda item: -item[1]), ("", 0.0), ("", 0.0))[:2]
    is_clear = most > CLEAR_SHARE * (end_seconds - start_seconds) and most >= CLEAR_FACTOR * second
    return speaker if most and is_clear else None
