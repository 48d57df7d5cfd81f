"""Recordings that were cut, joined, or have something in front: a seed makes the same ones each time."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial

from tests.audio.forms import ape, id3, rifx, tone
from tests.audio.samples import SAMPLES, recording

SECONDS = 2.0
FORMATS: Mapping[str, Callable[[], bytes]] = {
    **{sample.name: partial(recording, sample.name, seconds=SECONDS) for sample in SAMPLES},
    "rifx": rifx,
    "w64": partial(tone, "w64", "pcm_s16le"),
    "au": partial(tone, "au", "pcm_mulaw", hertz=8000),
    "ac3": partial(tone, "ac3", "ac3"),
    "eac3": partial(tone, "eac3", "eac3"),
    "wav of telephony": partial(tone, "wav", "adpcm_g726", hertz=8000),
    "matroska wavpack": partial(tone, "matroska", "wavpack", hertz=44100),
}
# These state how long they are, by a duration or by sizes; of the others nobody can say what was cut off.
STATING = FORMATS.keys() - {
    "mp2", "ogg opus", "ogg vorbis", "ogg flac", "webm live", "webm vorbis", "aac", "amr", "ac3", "eac3",
}  # fmt: skip


@dataclass(frozen=True)
class Splice:
    """A recording with what was done to it. `seconds` of sound lie in its bytes; `is_cut`: it states more than that."""

    name: str
    content: bytes
    seconds: float
    is_cut: bool = False


def spliced(count: int, *, seed: int) -> Iterator[Splice]:
    """`count` recordings of every format by turns."""
    chance = random.Random(seed)
    names = list(FORMATS)
    for at in range(count):
        make = chance.choice((_cut, _behind, _joined, _joined))
        yield make(names[at % len(names)], chance)


@cache
def _whole(name: str) -> bytes:
    return FORMATS[name]()


def _cut(name: str, chance: random.Random) -> Splice:
    whole, share = _whole(name), chance.uniform(0.3, 0.85)
    content = whole[: int(len(whole) * share)]
    return Splice(f"{share:.2f} of {name}", content, SECONDS * share, is_cut=name in STATING)


def _behind(name: str, chance: random.Random) -> Splice:
    fronts = {
        "a picture": id3(chance.randbytes(chance.randrange(100, 200_000))),
        "two tags": id3(b"a") + id3(chance.randbytes(30_000), version=4),
        "APEv2": ape(chance.randbytes(500)),
        "zeros": bytes(chance.randrange(1, 5000)),
        "noise": chance.randbytes(chance.randrange(1, 3000)),
        "text": b"X-Header: of a capture\r\n" * chance.randrange(1, 50),
    }
    front = chance.choice(sorted(fronts))
    return Splice(f"{name} behind {front}", fronts[front] + _whole(name), SECONDS)


def _joined(name: str, chance: random.Random) -> Splice:
    other = chance.choice((name, chance.choice(list(FORMATS))))
    return Splice(f"{name} and {other}", _whole(name) + _whole(other), 2 * SECONDS)
