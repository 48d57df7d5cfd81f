"""A coarser pass for long recordings: it decodes runs of packets that are spread over the recording."""

from collections.abc import Iterator

from av.audio.frame import AudioFrame

from audio.processing.decoder.frames import Frames

_EVERY = 128  # packets from the start of a run to the next
_RUN = 8
_UNUSED = 4  # of a run: the decoder's first frames after a jump are wrong


class SparseDecoding(Frames):
    """The frames of one packet in 32, for which one in 16 is decoded; the others are only counted."""

    _packets = 0
    _used = 0

    def __iter__(self) -> Iterator[AudioFrame]:
        for packet in self.packets():
            if not packet.size:
                continue
            at, first = self._packets % _EVERY, self._packets < _EVERY
            self._packets += 1
            if at >= _RUN:
                self.packet_bytes += packet.size
                continue
            if at == 0:
                self.decoder.flush_buffers()
            frames = self.decoded(packet)
            if first or at >= _UNUSED:
                self._used += 1
                yield from frames

    def times_longer(self) -> float:
        """Estimated from the numbers of packets, which in most codecs are all of one duration."""
        return self._packets / self._used
