"""Who speaks a segment, by the turns of speakers in the same recording."""

import pytest

from audio.transcription.engines.speaker_turns import Turn, speaker_of

TURNS = (Turn(0.0, 4.0, "1"), Turn(4.0, 6.0, "2"), Turn(5.0, 8.0, "1"), Turn(20.0, 21.0, "2"))


@pytest.mark.parametrize(
    ("start", "end", "speaker"),
    [
        (0.0, 4.0, "1"),
        (1.0, 2.0, "1"),
        (4.0, 5.0, "2"),
        (3.5, 5.0, "2"),  # two thirds are of one, a third of the other
        (6.0, 12.0, None),  # a third is somebody's, the rest nobody's
        (3.0, 5.0, None),  # each has half
        (5.0, 6.0, None),  # both speak
        (2.0, 8.0, "1"),  # in two turns, and the other less in one
        (10.0, 12.0, None),
        (20.2, 20.2, None),  # no time at all
        (19.5, 21.5, None),  # no more than half
    ],
)
def test_the_speaker_of_a_segment(start: float, end: float, speaker: str | None) -> None:
    """It is who speaks for more than half of it, and twice as long as anybody else; nobody where that isn't clear."""
    assert speaker_of(start, end, TURNS) == speaker


def test_without_turns_nobody_speaks() -> None:
    """Where nobody was told apart a segment has no speaker."""
    assert speaker_of(0.0, 1.0, ()) is None
