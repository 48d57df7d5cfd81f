"""Limits what a request sends besides its body: the head, trailer fields, and the framing of chunks."""

from api.http1.refusals import FramingTooLong, HeadTooLong

LONGEST_HEAD_BYTES = 64 * 1024
MOST_FIELDS = 100
LONGEST_FRAMING_BYTES = 64 * 1024
READ_PER_BODY_BYTE = 16  # a chunk of one byte takes six


class HeadLimits:
    """Counts one connection's input, request by request.

    The parser reports whole lines and buffers an unfinished one, so the bytes of reads are counted as well as lines. A
    read in which a head or a body ends can't be split between them; no read is large enough for that to matter.
    """

    __slots__ = ("_crossed", "_framing_bytes", "_measured_bytes", "_read_bytes", "_trailers", "body_bytes", "in_head")

    def __init__(self) -> None:
        self._crossed = False
        self.begin()

    def begin(self) -> None:
        """Starts a head."""
        self.in_head = True
        self.body_bytes = self._measured_bytes = self._read_bytes = self._framing_bytes = self._trailers = 0

    def begin_body(self) -> None:
        """Ends the head."""
        self.in_head = False
        self._crossed = True

    def end(self) -> None:
        """Ends the request; the next head follows, or empty lines before it."""
        self.in_head = True
        self._read_bytes = 0
        self._crossed = True

    def count_trailer(self) -> None:
        """Counts a trailer field. Raises HeadTooLong."""
        self._trailers += 1
        if self._trailers > MOST_FIELDS:
            raise HeadTooLong

    def count_read(self, size_bytes: int) -> None:
        """Counts the bytes of one read, after parsing. Raises HeadTooLong or FramingTooLong."""
        if self._crossed:
            self._crossed = False
        elif self.in_head:
            self._read_bytes += size_bytes
            if self._read_bytes > LONGEST_HEAD_BYTES:
                raise HeadTooLong
        else:
            grown = self.body_bytes - self._measured_bytes
            self._framing_bytes = max(0, self._framing_bytes + size_bytes - READ_PER_BODY_BYTE * grown)
            if self._framing_bytes > LONGEST_FRAMING_BYTES:
                raise FramingTooLong
        self._measured_bytes = self.body_bytes
