"""What is taken for audio, beside another program's judgement, over thousands of files that hold none."""

import gzip
import io
import json
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import puremagic
import pytest

from audio.model.formats import NotAudio
from audio.model.recognition import HEAD_BYTES, LONGEST_TAGS_BYTES, Recogniser, recognise, recognise_file
from tests.audio.forms import FORMS, form, id3, mp3

FRAMES = mp3()  # the sound that some of these files carry inside


def _zip(chance: random.Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name in chance.choice((["song.mp3"], ["[Content_Types].xml", "word/document.xml"], ["a", "b"])):
            archive.writestr(name, chance.choice((FRAMES, chance.randbytes(5000))))
    return file.getvalue()


def _tar(chance: random.Random) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(f"{chance.randrange(1000)}.mp3")
        member.size = len(FRAMES)
        archive.addfile(member, io.BytesIO(FRAMES))
    return file.getvalue()


def _png(chance: random.Random) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(chance.randbytes(72)))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"teXt", FRAMES[:8000]) + pixels + chunk(b"IEND", b"")


def _bitmap(chance: random.Random) -> bytes:
    pixels = chance.choice((b"\xff" * 12_288, chance.randbytes(12_288)))
    return (
        struct.pack("<2sIII", b"BM", 54 + len(pixels), 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 64, 64, 1, 24, 0, 0, 0, 0, 0, 0)
        + pixels
    )


def _avi(chance: random.Random) -> bytes:
    movie = b"LIST" + struct.pack("<I", 4 + len(FRAMES)) + b"movi" + b"01wb" + struct.pack("<I", len(FRAMES)) + FRAMES
    return b"RIFF" + struct.pack("<I", len(movie) + 4) + b"AVI " + chance.randbytes(0) + movie


def _text(chance: random.Random) -> bytes:
    words = " ".join(chance.choice(("ID3", "RIFF", "OggS", "the", "fLaC", "ftyp", "naïve", "録音")) for _ in range(500))
    return chance.choice((words.encode(), words.encode("utf-16"), words.encode("utf-16-be")))


def _page(chance: random.Random) -> bytes:
    return b"<!DOCTYPE html>\n<html><body>" + _text(chance) + b"</body></html>" + FRAMES


FOREIGN: dict[str, Callable[[random.Random], bytes]] = {
    "archive": _zip,
    "tape": _tar,
    "compressed": lambda chance: gzip.compress(chance.randbytes(3000), mtime=0) + FRAMES,
    "picture": _png,
    "photograph": lambda chance: b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00" + chance.randbytes(30) + FRAMES,
    "drawing": lambda chance: b"GIF89a" + chance.randbytes(200) + FRAMES,
    "bitmap": _bitmap,
    "film": _avi,
    "flash": lambda chance: b"FWS\x08" + chance.randbytes(20) + FRAMES,
    "flash film": lambda chance: b"FLV\x01\x05\x00\x00\x00\x09" + chance.randbytes(11) + FRAMES,
    "document": lambda chance: b"%PDF-1.7\n" + chance.randbytes(300) + b"stream\n" + FRAMES,
    "old document": lambda chance: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + chance.randbytes(500) + FRAMES,
    "program": lambda chance: b"\x7fELF\x02\x01\x01" + chance.randbytes(4000) + FRAMES,
    "other program": lambda chance: b"MZ\x90\x00" + chance.randbytes(400) + FRAMES,
    "page": _page,
    "text": _text,
    "table": lambda chance: json.dumps([{"ID3": chance.random()} for _ in range(200)]).encode() + FRAMES,
    "database": lambda chance: b"SQLite format 3\x00" + chance.randbytes(2000) + FRAMES,
}
SOUNDS = ("audio/", "video/", "application/ogg")


@pytest.mark.parametrize("name", FOREIGN)
def test_another_kind_of_file_is_none_whatever_it_carries(name: str) -> None:
    """Archives, pictures, documents, programs and texts are refused early, also with frames of MP3 inside of them."""
    chance = random.Random(name)
    for _ in range(200):
        content = FOREIGN[name](chance)
        assert recognise(content) is None
        recogniser = Recogniser()
        with pytest.raises(NotAudio):  # the rest isn't waited for
            recogniser.feed(content.ljust(HEAD_BYTES, b" ")[:HEAD_BYTES])


def test_noise_is_no_audio() -> None:
    """Of thousands of files of random bytes, of which many begin like something, none is taken for audio."""
    chance = random.Random(5)
    fronts = (
        b"",
        b"\xff\xfb",
        b"\x0b\x77",
        b"\0" * 20,
        b"ID3\x03\x00\x00\x00\x00\x00\x05",
        b"\x7f\xfe\x80\x01",
        b"RIFF",
    )
    for at in range(4000):
        content = fronts[at % len(fronts)] + chance.randbytes(chance.randrange(1, 20_000))
        assert recognise(content) is None


def test_nothing_is_taken_that_another_judge_names_otherwise() -> None:
    """What is taken for audio, puremagic takes for no picture, text or archive; what it calls so is refused."""
    chance = random.Random(11)
    samples = [form(name) for name in FORMS] + [make(chance) for make in FOREIGN.values() for _ in range(60)]
    refused = 0
    for content in samples:
        taken = recognise(content) is not None
        kinds = {match.mime_type for match in _judged(content) if match.confidence >= 0.8 and match.mime_type}
        is_other = bool(kinds) and not any(kind.startswith(SOUNDS) for kind in kinds)
        assert not (taken and is_other), (kinds, content[:16])
        refused += is_other
    assert refused > 200


def _judged(content: bytes) -> list[puremagic.PureMagicWithConfidence]:
    try:
        return puremagic.magic_string(content)
    except puremagic.PureError:
        return []


@pytest.mark.parametrize("name", FORMS)
def test_a_file_and_its_pieces_are_recognised_alike(name: str) -> None:
    """Whether a file is read at once, in pieces of any size, or with seeks over what plays no part."""
    content = form(name)
    expected = recognise_file(io.BytesIO(content))
    for size in (7, 4096, 100_000):
        recogniser = Recogniser()
        for at in range(0, len(content), size):
            recogniser.feed(content[at : at + size])
        assert recogniser.finish() == expected


def test_tags_are_stepped_over_up_to_a_bound() -> None:
    """Megabytes of pictures are, in flat memory; of tags without end nobody waits for the sound."""
    recogniser = Recogniser()
    recogniser.feed(id3(bytes(30 * 1024**2)))
    assert len(recogniser._window) < HEAD_BYTES
    recogniser.feed(FRAMES)
    assert recogniser.finish().start == 30 * 1024**2 + 20
    endless, tag = Recogniser(), id3(bytes(16 * 1024**2))
    for _ in range(LONGEST_TAGS_BYTES // len(tag)):
        endless.feed(tag)
    with pytest.raises(NotAudio):
        endless.feed(tag * 2)


@pytest.mark.parametrize("box", [b"\0\0\0\x08free", b"\0\0\0\x08moov"])
def test_boxes_without_end_are_not_walked(box: bytes) -> None:
    """Nor over millions of empty boxes, whose walk would take minutes."""
    with pytest.raises(NotAudio):
        Recogniser().feed(box * 100_000)
