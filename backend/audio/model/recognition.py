"""Recognises audio by what a file is: neither its name nor a declared type is ever asked.

What players step over in front of the sound is stepped over by the length that it tells, so the decision may wait until
the sound begins. It takes one pass over the bytes, and the memory of a window.
"""

from dataclasses import dataclass
from io import SEEK_CUR
from typing import BinaryIO

from audio.model.formats import AAC, AC3, DTS, EAC3, MP3, MP4, QUICKTIME, AudioFormat, NotAudio
from audio.model.frame_runs import find_run, run_at_start
from audio.model.signatures import branded, is_foreign, is_picture, ogg_first_page, signature_of
from audio.model.tags import tag_length

HEAD_BYTES = 16 * 1024  # what surely isn't audio is known by then
BEHIND_TAG_BYTES = 64 * 1024  # the most junk between a tag and the first frame
_MOST_STEPS = 10_000  # over tags, pages and boxes, of which a file may have millions
LONGEST_TAGS_BYTES, LONGEST_ZEROS_BYTES = 64 * 1024**2, 1024**2
_FEWEST_ZEROS = 64
_FRAMES = {"mpeg": MP3, "adts": AAC, "ac3": AC3, "eac3": EAC3, "dts": DTS}
# ISO/IEC 14496-12 and the QuickTime File Format: boxes that may open a file, and those on the way to a track's kind.
_OPENING_BOXES = frozenset({
    b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"skip", b"free", b"pnot", b"sidx", b"junk", b"uuid", b"udta", b"meta",
    b"pdin", b"prfl", b"PICT",
})  # fmt: skip
_LARGEST_OPENING_BOX, _LARGEST_SOUND_BOX = 1 << 24, 1 << 29
_ENTERED_BOXES = frozenset({b"moov", b"trak", b"mdia"})
_BOX_BYTES, _LONG_BOX_BYTES = 8, 16
_HANDLER = slice(16, 20)
_LONGEST_BRANDS_BYTES = 4096


@dataclass(frozen=True)
class Recognition:
    """A recording's format, and the position at which it begins: behind tags, junk and a part of a frame.

    `is_plain`: nothing is in front of it that a browser could stumble over, as more than one tag.
    """

    audio: AudioFormat
    start: int = 0
    is_plain: bool = True


class Recogniser:
    """Recognises a file whose bytes come piece by piece."""

    def __init__(self) -> None:
        self.recognition: Recognition | None = None
        self.skipped = 0  # how many of the next bytes play no part in the decision
        self._position = 0  # of the window's first byte
        self._window = bytearray()
        self._needed = HEAD_BYTES
        self._tag_bytes = self._zero_bytes = 0
        self._has_one_tag = True  # or none
        self._steps = 0
        self._boxes: _Boxes | None = None
        self._ogg_start: int | None = None

    def feed(self, piece: bytes | bytearray | memoryview) -> None:
        """Takes in the next bytes. Raises NotAudio."""
        rest = memoryview(piece)
        while rest and self.recognition is None:
            if self.skipped:
                step = min(self.skipped, len(rest))
                self.skipped -= step
                self._position += step
            else:
                step = self._needed - len(self._window)
                self._window += rest[:step]
            rest = rest[step:]
            self._step_while_full()

    def _step_while_full(self) -> None:
        while self.recognition is None and len(self._window) >= self._needed:
            self._step(bytes(self._window), is_end=False)

    def step_over(self) -> None:
        """Goes on behind the bytes that are `skipped`, which needn't be fed then."""
        self._position += self.skipped
        self.skipped = 0

    def finish(self) -> Recognition:
        """The recognition, when all bytes were fed. Raises NotAudio."""
        while self.recognition is None:
            if self.skipped or not self._window:
                raise NotAudio
            self._step(bytes(self._window), is_end=True)
        return self.recognition

    def _step(self, window: bytes, *, is_end: bool) -> None:
        """Decides, or steps over what the window begins with. Raises NotAudio."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise NotAudio
        if self._boxes is not None:
            self._step_over_box(window, self._boxes)
        elif (opened := ogg_first_page(window)) is not None:
            self._step_over_page(*opened)
        elif self._ogg_start is not None:
            raise NotAudio
        elif _opens_with_box(window):
            self._boxes = _Boxes(self._position)
        elif tag := tag_length(window):
            self._step_over_tag(tag, is_id3=window.startswith(b"ID3"))
        elif zeros := self._leading_zeros(window):
            self._step_over_zeros(zeros)
        elif (audio := signature_of(window)) is not None:
            self._decide(audio, self._position, is_plain=self._position == 0)
        elif (run := run_at_start(window)) is not None:
            self._decide(_FRAMES[run.codec], self._position, is_plain=self._has_one_tag)
        else:
            self._find_frames(window, is_end=is_end)

    def _decide(self, audio: AudioFormat, start: int, *, is_plain: bool) -> None:
        self.recognition = Recognition(audio, start, is_plain)
        self._window = bytearray()

    def _step_over_tag(self, length: int, *, is_id3: bool) -> None:
        self._has_one_tag = is_id3 and not self._tag_bytes
        self._tag_bytes += length
        if self._tag_bytes > LONGEST_TAGS_BYTES:
            raise NotAudio
        self._needed = BEHIND_TAG_BYTES
        self._skip(length)

    def _leading_zeros(self, window: bytes) -> int:
        """How many zeros to step over: any behind a tag, which may be padded, or behind others.

        At a file's beginning a few may be its format's, and before a box up to three are of its size.
        """
        zeros = len(window) - len(window.lstrip(b"\0"))
        if not (self._tag_bytes or self._zero_bytes or zeros >= _FEWEST_ZEROS):
            return 0
        if zeros == len(window):
            return max(1, zeros - 3)
        of_size = (back for back in (3, 2, 1) if back < zeros and _opens_with_box(window[zeros - back :]))
        return zeros - next(of_size, 0)

    def _step_over_zeros(self, length: int) -> None:
        self._has_one_tag = False
        self._zero_bytes += length
        if self._zero_bytes > LONGEST_ZEROS_BYTES:
            raise NotAudio
        self._skip(length)

    def _step_over_page(self, audio: AudioFormat | None, length: int) -> None:
        """A page that opens one of the logical streams of an Ogg file: all of these come first (RFC 3533, 6)."""
        if self._ogg_start is None:
            self._ogg_start = self._position
        if audio is not None:
            self._decide(audio, self._ogg_start, is_plain=self._position == 0)
        else:
            self._skip(length)

    def _step_over_box(self, window: bytes, boxes: "_Boxes") -> None:
        length = boxes.step(window)
        if boxes.audio is not None:
            self._decide(boxes.audio, boxes.start, is_plain=boxes.start == 0 and boxes.is_branded)
        else:
            self._skip(length)

    def _find_frames(self, window: bytes, *, is_end: bool) -> None:
        run = find_run(window, is_end=is_end)
        if run is None or is_foreign(window, before=run.start):
            raise NotAudio
        self._decide(_FRAMES[run.codec], self._position + run.start, is_plain=False)

    def _skip(self, length: int) -> None:
        step = min(length, len(self._window))
        del self._window[:step]
        self._position += step
        self.skipped = length - step


class _Boxes:
    """A walk over the boxes of ISO media and QuickTime, to a track that is sound; `audio` is the format then.

    A file with a brand that we know is taken at once.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.audio: AudioFormat | None = None
        self.is_branded = False  # by its first box
        self._is_first = True
        self._brand: AudioFormat = QUICKTIME

    def step(self, window: bytes) -> int:
        """How many bytes to step over, to the next box. Raises NotAudio."""
        name, size = window[4:8], int.from_bytes(window[:4])
        if size == 1:
            size = int.from_bytes(window[_BOX_BYTES:_LONG_BOX_BYTES])
        is_first, self._is_first = self._is_first, False
        if len(window) < _BOX_BYTES or (size < _BOX_BYTES and (size or name not in _ENTERED_BOXES)):
            raise NotAudio  # also where a box goes up to the end of the file, and none comes behind it
        if name in {b"ftyp", b"styp"}:
            self._read_brands(window[_BOX_BYTES : min(size, _LONGEST_BRANDS_BYTES)], is_file=name == b"ftyp")
            self.is_branded |= is_first and name == b"ftyp"
        elif name == b"cmov" or (name == b"hdlr" and window[_HANDLER] == b"soun"):
            self.audio = self._brand
        if name in _ENTERED_BOXES:
            return _LONG_BOX_BYTES if window[:4] == b"\0\0\0\1" else _BOX_BYTES
        return size

    def _read_brands(self, brands: bytes, *, is_file: bool) -> None:
        brand = branded(brands)
        if is_picture(brands):
            raise NotAudio
        self._brand = brand or MP4
        if is_file:
            self.audio = brand


def _opens_with_box(window: bytes) -> bool:
    """Whether a file begins with a box, of a size that no text's letters would make, such as "I'm free"."""
    largest = _LARGEST_SOUND_BOX if window[4:8] == b"mdat" else _LARGEST_OPENING_BOX
    return window[4:8] in _OPENING_BOXES and int.from_bytes(window[:4]) < largest


def recognise(content: bytes) -> AudioFormat | None:
    """The format of a file with that content; None when it isn't audio."""
    recogniser = Recogniser()
    try:
        recogniser.feed(content)
        return recogniser.finish().audio
    except NotAudio:
        return None


def recognise_file(file: BinaryIO) -> Recognition:
    """Recognises an open file, of which it reads no more than it needs. Blocks. Raises NotAudio or OSError."""
    recogniser = Recogniser()
    file.seek(0)
    while recogniser.recognition is None:
        if recogniser.skipped:
            file.seek(recogniser.skipped, SEEK_CUR)
            recogniser.step_over()
        piece = file.read(HEAD_BYTES)
        if not piece:
            return recogniser.finish()
        recogniser.feed(piece)
    return recogniser.recognition
