"""Recordings that were cut, joined, or have something in front: a seed makes the same ones each time."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.audio.forms import ape, id3
from tests.audio.samples import SAMPLES, Sample, recording

SECONDS = 2.0
# These state how long they are, by a duration or by sizes; of the others nobody can say what was cut off.
STATING = frozenset(sample.name for sample in SAMPLES) - {
    "mp2", "ogg opus", "ogg vorbis", "ogg flac", "webm live", "webm vorbis", "aac", "amr",
}  # fmt: skip


@dataclass(frozen=True)
class Splice:
    """A recording with what was done to it. `seconds` of sound lie in its bytes.

    `is_cut`: it states more than that; `is_joined`: of that a part is another file's.
    """

    name: str
    content: bytes
    seconds: float
    is_cut: bool = False
    is_joined: bool = False


def spliced(count: int, *, seed: int) -> Iterator[Splice]:
    """`count` recordings of every format by turns."""
    chance = random.Random(seed)
    for at in range(count):
        sample = SAMPLES[at % len(SAMPLES)]
        make = chance.choice((_cut, _behind, _joined, _joined))
        yield make(sample, chance)


def _cut(sample: Sample, chance: random.Random) -> Splice:
    whole = recording(sample.name, seconds=SECONDS)
    share = chance.uniform(0.3, 0.85)
    is_cut = sample.name in STATING
    return Splice(f"{share:.2f} of {sample.name}", whole[: int(len(whole) * share)], SECONDS * share, is_cut=is_cut)


def _behind(sample: Sample, chance: random.Random) -> Splice:
    whole = recording(sample.name, seconds=SECONDS)
    fronts = {
        "a picture": id3(chance.randbytes(chance.randrange(100, 200_000))),
        "two tags": id3(b"a") + id3(chance.randbytes(30_000), version=4),
        "APEv2": ape(chance.randbytes(500)),
        "zeros": bytes(chance.randrange(1, 5000)),
        "noise": chance.randbytes(chance.randrange(1, 3000)),
        "text": b"X-Header: of a capture\r\n" * chance.randrange(1, 50),
    }
    name = chance.choice(sorted(fronts))
    return Splice(f"{sample.name} behind {name}", fronts[name] + whole, SECONDS)


def _joined(sample: Sample, chance: random.Random) -> Splice:
    other = chance.choice((sample, chance.choice(SAMPLES)))
    name = f"{sample.name} and {other.name}"
    content = recording(sample.name, seconds=SECONDS) + recording(other.name, seconds=SECONDS)
    return Splice(name, content, 2 * SECONDS, is_joined=True)
