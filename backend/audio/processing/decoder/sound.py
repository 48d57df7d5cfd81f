"""A recording's sound from its beginning to its end, all of its links, on one clock."""

import math
from collections.abc import Iterator

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from audio.processing.decoder.chained_streams import Section, links
from audio.processing.decoder.frames import Frames
from audio.processing.decoder.opening import File, Refused, open_recording, sound_index, sound_of
from audio.processing.decoder.timeline import TOLERANCE_SECONDS, Timeline

# Of these the times of packets are those of a player; of the others FFmpeg counts them from bytes.
_TIMED_DEMUXERS = frozenset({"asf", "flac", "matroska", "mov", "ogg"})
_LATEST_BEGINNING_SECONDS = 600  # of a film's sound; a later one is a position in a stream


class Sound:
    """The decoded frames of a recording. What it is like is known at their end.

    `seconds` is its length on the clock, of which `silent_seconds` fill gaps. `stated_seconds` is what the headers
    state, None where they don't; `missing_seconds` of that are not there at the ends of links. `unread_bytes` are those
    of links that can't be decoded at all. `is_uniform`: it has one rate and one layout of channels. `is_steady`: the
    times of its packets ascend, and make no jump. `begins_at`: the time of its first sample in the file.
    """

    def __init__(
        self,
        source: File,
        *,
        demuxer: str,
        start: int = 0,
        kind: type[Frames] = Frames,
        cpu_seconds: float = math.inf,
    ) -> None:
        self.demuxer = demuxer
        self.codec = ""
        self.readable = self.unreadable = self.packet_bytes = self.longest_packet_bytes = self.unread_bytes = 0
        self.seconds = self.silent_seconds = self.missing_seconds = self.begins_at = 0.0
        self.stated_seconds: float | None = 0.0
        self.track_seconds: float | None = None
        self.links = 0
        self.has_pictures = False
        self.first_byte: int | None = None
        self.times_longer = 1.0
        self.is_steady = True
        self._kinds: set[tuple[int, int]] = set()
        self._source = source
        self._start = start
        self._kind = kind
        self._cpu_seconds = cpu_seconds

    def __iter__(self) -> Iterator[AudioFrame]:
        """Raises Refused where no link can be decoded, and OutOfTime."""
        refused: Refused | None = None
        for section in links(self._source, demuxer=self.demuxer, start=self._start):
            try:
                yield from self._frames(section)
            except Refused as error:
                refused = refused or error
                self.unread_bytes += section.size
        if refused is not None and not self.links:
            raise refused

    def _frames(self, section: Section) -> Iterator[AudioFrame]:
        is_big_endian = self.demuxer == "wav" and section.read(4) == b"RIFX"
        index = sound_index(section, demuxer=self.demuxer)
        with open_recording(section, demuxer=self.demuxer) as container:
            stream = sound_of(container, index)
            frames = self._kind(container, stream, is_big_endian=is_big_endian, cpu_seconds=self._cpu_seconds)
            timeline = Timeline(origin=_origin(self.demuxer, _begin(container)))
            end = self.seconds + self._state(container, stream)
            is_timed = self.demuxer in _TIMED_DEMUXERS and self._kind is Frames
            for frame in frames:
                self._kinds.add((frame.sample_rate, frame.layout.nb_channels))
                for placed in timeline.place(frame) if is_timed else (frame,):
                    self.seconds += placed.samples / placed.sample_rate
                    yield placed
        if not frames.readable:
            raise Refused("no sound in it could be decoded")
        if end - self.seconds > TOLERANCE_SECONDS:
            self.missing_seconds += end - self.seconds
        self._add(frames, timeline)

    @property
    def is_uniform(self) -> bool:
        """Whether it has one rate and one number of channels."""
        return len(self._kinds) == 1

    def _state(self, container: InputContainer, stream: AudioStream) -> float:
        """Takes in what the headers of a link say, and returns the seconds that they state, 0 where they don't."""
        if not self.links:
            self.has_pictures = bool(container.streams.video)
            self.begins_at = _begin(container) if self.demuxer in _TIMED_DEMUXERS else 0.0
            if stream.duration is not None and stream.time_base is not None:
                self.track_seconds = float(stream.duration * stream.time_base)
        seconds = max(0.0, container.duration / 1_000_000 - _begin(container)) if container.duration else None
        if self.stated_seconds is not None:
            self.stated_seconds = None if seconds is None else self.stated_seconds + seconds
        return seconds or 0.0

    def _add(self, frames: Frames, timeline: Timeline) -> None:
        if not self.links:
            self.codec, self.first_byte = frames.decoder.codec.canonical_name, frames.first_byte
        self.links += 1
        self.readable += frames.readable
        self.unreadable += frames.unreadable
        self.is_steady &= frames.is_ascending and timeline.is_steady
        self.packet_bytes += frames.packet_bytes
        self.longest_packet_bytes = max(self.longest_packet_bytes, frames.longest_packet_bytes)
        self.silent_seconds += timeline.silent_seconds
        self.times_longer = frames.times_longer()


def _begin(container: InputContainer) -> float:
    """When the earliest of the streams begins, in seconds."""
    return (container.start_time or 0) / 1_000_000


def _origin(demuxer: str, begin: float) -> float:
    """The time that is 0 to a player: the beginning, but of a film's timeline, which edit lists speak of, its own 0."""
    return 0.0 if demuxer == "mov" and begin <= _LATEST_BEGINNING_SECONDS else begin
