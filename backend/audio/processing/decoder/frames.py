"""The packets and frames of one stream, as far as they can be read."""

import math
import time
from collections.abc import Iterator

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from audio.processing.decoder.opening import decoder_of

# Of streams of frames without a container, which may begin anywhere.
RAW_DEMUXERS = frozenset({"aac", "ac3", "dts", "eac3", "mp3"})
# In bytes. What FFmpeg finds between two frames it takes for a part of the first one.
_LONGEST_FRAMES = {"mp3": 2881, "aac": 8191, "ac3": 3840, "eac3": 32 * 1024, "dts": 32 * 1024}
# The kinds of frames that AMR and AMR-WB have: speech, comfort noise, lost, and none (RFC 4867, 4.3.1 and 5.3).
_AMR_KINDS = {"libopencore_amrnb": frozenset({*range(9), 15}), "libopencore_amrwb": frozenset({*range(10), 14, 15})}
_AMR_PADDING, _AMR_GOOD = 0x83, 0x04
_CLOCK_EVERY = 64  # packets between two readings of the clock, which is a system call


class OutOfTime(Exception):
    """The processor time of a pass is used up."""


class Frames:
    """A stream's frames, as far as they can be decoded.

    `unreadable` counts the packets that can't, `readable` those that can. `first_byte` is the position of the first
    readable one, None where the demuxer doesn't tell. `is_ascending`: each packet's time is later than the last one's.
    """

    def __init__(
        self,
        container: InputContainer,
        sound: AudioStream,
        *,
        is_big_endian: bool = False,
        cpu_seconds: float = math.inf,
    ) -> None:
        self._container = container
        self._sound = sound
        self._cpu_seconds = cpu_seconds
        self.unreadable = self.readable = 0
        self.packet_bytes = self.longest_packet_bytes = 0
        self.first_byte: int | None = None
        self.is_ascending = True
        self.decoder: AudioCodecContext = decoder_of(sound, is_big_endian=is_big_endian)

    def __iter__(self) -> Iterator[AudioFrame]:
        for packet in self.packets():
            yield from self.decoded(packet)

    def decoded(self, packet: "Packet[AudioStream]") -> list[AudioFrame]:
        """The frames of a packet; none where it can't be read."""
        if self.decoder.name in _AMR_KINDS and packet.size and not _is_amr_frame(bytes(packet), self.decoder.name):
            self.unreadable += 1
            return []
        try:
            frames = self.decoder.decode(packet)
        except MemoryError:
            raise
        except FFmpegError:
            self.unreadable += 1
            return []
        if not self.readable:
            self.first_byte = packet.pos
            if self._container.format.name in RAW_DEMUXERS:
                self.unreadable = 0  # of a stream that was joined in its middle: they need the ones before
        self.readable += bool(packet.size)
        if packet.size <= _LONGEST_FRAMES.get(self._container.format.name, packet.size):
            self.packet_bytes += packet.size
        self.longest_packet_bytes = max(self.longest_packet_bytes, packet.size)
        return frames

    def times_longer(self) -> float:
        """The recording's duration as a multiple of the decoded frames'."""
        return 1

    def packets(self) -> "Iterator[Packet[AudioStream]]":
        """The packets up to the file's end, or to the first error; the last is empty.

        Raises OutOfTime.
        """
        last: int | None = None
        try:
            for number, packet in enumerate(self._container.demux(self._sound)):
                if number % _CLOCK_EVERY == 0 and time.process_time() > self._cpu_seconds:
                    raise OutOfTime
                if packet.dts is not None:
                    self.is_ascending &= last is None or packet.dts > last
                    last = packet.dts
                yield packet
        except MemoryError:
            raise
        except FFmpegError:
            self.unreadable += 1


def _is_amr_frame(packet: bytes, decoder: str) -> bool:
    """Whether a packet has the header of a good frame: decoders make noise of anything."""
    header = packet[0]
    return header >> 3 & 0xF in _AMR_KINDS[decoder] and not header & _AMR_PADDING and bool(header & _AMR_GOOD)
