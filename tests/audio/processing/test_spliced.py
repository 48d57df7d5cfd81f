"""Recordings that were cut, joined or prefixed: none of them is silently short."""

import re
from collections import Counter
from pathlib import Path

import pytest

from audio.model.formats import NotAudio
from audio.processing.decoding import Decoder, DecodingFailed
from tests.audio.conftest import Examine
from tests.audio.processing.spliced import FORMATS, Splice, spliced
from tests.audio.samples import recording

# Of what nobody can count: a part of a frame, headers in front of the sound, and a page of Ogg.
UNCOUNTED_SECONDS = 0.45


async def ending(examined: Examine, splice: Splice) -> str:
    """How a recording ends: refused or failed with a reason, read whole, or with its damage told."""
    try:
        probe = (await examined(splice.content)).probe
    except NotAudio:
        return "refused"
    except DecodingFailed as failed:
        return "failed" if failed.reason and "stumbled" not in failed.reason else f"{splice.name}: {failed.reason}"
    if probe.damaged:
        return "told"
    assert not splice.is_cut, f"{splice.name}: nothing is told of what was cut off"
    least = 0.85 * splice.seconds - UNCOUNTED_SECONDS
    assert probe.duration_seconds >= least, f"{splice.name}: {probe.duration_seconds} of {splice.seconds} s"
    return "whole"


@pytest.mark.parametrize(
    ("count", "seed"), [(80, 1), pytest.param(1000, 2, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
async def test_none_is_silently_short(examined: Examine, count: int, seed: int) -> None:
    """Each is refused, fails with a reason, is read to its end, or says how much of it was lost."""
    endings = Counter([await ending(examined, splice) for splice in spliced(count, seed=seed)])
    print(dict(endings))
    assert endings.total() == count
    assert endings.keys() <= {"refused", "failed", "told", "whole"}
    assert endings["whole"] > count / 5
    assert endings["told"] > count / 5


@pytest.mark.parametrize("name", ["wav", "rf64", "mp3", "flac", "webm", "matroska", "aiff", "caf", "wma"])
async def test_the_share_that_is_left_is_told(examined: Examine, name: str) -> None:
    """Of two fifths of a recording that states its length, about two fifths are told to be readable."""
    whole = recording(name, seconds=10.0)
    probe = (await examined(whole[: int(len(whole) * 0.4)])).probe
    assert probe.readable_share == pytest.approx(0.4, abs=0.06)
    assert probe.duration_seconds == pytest.approx(4.0, abs=0.6)


@pytest.mark.parametrize(
    "name", ["mp3", "mp2", "m4a", "mov", "ogg opus", "ogg vorbis", "ogg flac", "flac", "webm", "webm live", "aac"]
)
async def test_a_hole_is_told(examined: Examine, name: str) -> None:
    """Of a recording whose middle third was overwritten, about a third is told to be lost."""
    content = bytearray(recording(name, seconds=10.0))
    third = len(content) // 3
    content[third : 2 * third] = bytes(third)
    probe = (await examined(bytes(content))).probe
    assert 0.3 < probe.readable_share < 0.8


async def test_a_page_that_is_missing_is_told(examined: Examine) -> None:
    """Of Ogg without one of its pages, what sounded there is told to be lost: the other pages are numbered."""
    whole = recording("ogg vorbis", seconds=20.0)
    starts = [match.start() for match in re.finditer(b"OggS", whole)]
    assert len(starts) > 4
    at = len(starts) // 2
    assert (await examined(whole)).probe.readable_share == 1
    assert (await examined(whole[: starts[at]] + whole[starts[at + 1] :])).probe.readable_share < 1


@pytest.mark.parametrize("other", ["w64", "ogg flac", "wav"])
async def test_what_is_joined_to_wave64_is_told(examined: Examine, other: str) -> None:
    """A second file behind Wave64 isn't taken for its chunks."""
    probe = (await examined(FORMATS["w64"]() + FORMATS[other]())).probe
    assert probe.duration_seconds == pytest.approx(2.0)
    assert probe.readable_share < 1


async def test_a_whole_recording_is_not_told_to_be_damaged(decoder: Decoder, examined: Examine, tmp_path: Path) -> None:
    """Tags behind the sound, and a film's longer pictures, are no damage."""
    tag = b"TAG" + bytes(125)
    for content in (
        recording("mp3") + tag,
        recording("mp3") + b"APETAGEX" + bytes.fromhex("d0070000200000000000000000000080") + bytes(8) + tag,
        recording("flac") + tag,
        recording("wav") + b"LIST" + (4000).to_bytes(4, "little") + bytes(4000),
        recording("m4a") + bytes(5000),
        recording("ogg opus") + tag,
    ):
        assert (await examined(content)).probe.readable_share == 1
