"""Opens a recording with the one demuxer of its format, and nothing else that FFmpeg could do."""

import errno
import math
import os
import time
from collections.abc import Iterator
from io import BytesIO, FileIO, RawIOBase
from typing import TypeAlias

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard

DEMUXERS = frozenset({"aac", "aiff", "amr", "asf", "caf", "flac", "matroska", "mov", "mp3", "ogg", "wav"})
# FFmpeg's names of decoders; a codec may have several.
DECODERS = frozenset({
    "aac", "aac_fixed", "aac_latm", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "alac", "amrnb", "amrwb", "flac",
    "gsm", "gsm_ms", "libopencore_amrnb", "libopencore_amrwb", "libopus", "libspeex", "libvorbis", "mp1",
    "mp1float", "mp2", "mp2float", "mp3", "mp3float", "opus", "speex", "vorbis", "wmalossless", "wmapro", "wmav1",
    "wmav2", "wmavoice", "pcm_alaw", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_s16be",
    "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_s64be", "pcm_s64le", "pcm_s8",
    "pcm_u16be", "pcm_u16le", "pcm_u24be", "pcm_u24le", "pcm_u32be", "pcm_u32le", "pcm_u8",
})  # fmt: skip
_READ_BYTES = 64 * 1024
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CLOCK_EVERY = 64  # packets between two readings of the clock, which is a system call

File: TypeAlias = RawIOBase | BytesIO


class Recording(FileIO):
    """A file in which FFmpeg may seek to any position, as a damaged file can make it."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """The new position; for an invalid one a negative error number, as FFmpeg expects."""
        try:
            return super().seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return -errno.EINVAL


class OutOfTime(Exception):
    """The processor time of a pass is used up."""


class Refused(Exception):
    """The recording can't be decoded; the message is a clause with the reason, for a person."""


def open_recording(source: File, *, demuxer: str) -> InputContainer:
    """The container in `source`, read by `demuxer` alone. Raises Refused.

    FFmpeg may open nothing by itself: every protocol is denied, so references to other files or hosts have no effect.
    """
    if demuxer not in DEMUXERS:
        raise Refused(f"no demuxer {demuxer} is allowed")
    source.seek(0)
    try:
        return av.open(
            source,
            "r",
            format=demuxer,
            options={
                "protocol_whitelist": "none",
                "format_whitelist": av.ContainerFormat(demuxer, "r").name,
                "codec_whitelist": ",".join(sorted(DECODERS)),
                "enable_drefs": "0",
                "use_absolute_path": "0",
            },
            metadata_errors="ignore",
            buffer_size=_READ_BYTES,
        )
    except FFmpegError as error:
        raise damaged(error) from error


def sound_of(container: InputContainer) -> AudioStream:
    """The first audio stream, ready to be decoded; the others are skipped. Raises Refused."""
    if not container.streams.audio:
        raise Refused("it holds no sound")
    sound = container.streams.audio[0]
    for stream in container.streams:
        if stream is not sound:
            stream.discard = Discard.all
    return sound


class Frames:
    """A stream's frames, as far as they can be decoded; `unreadable` counts the packets that can't."""

    def __init__(self, container: InputContainer, sound: AudioStream, *, cpu_seconds: float = math.inf) -> None:
        self._container = container
        self._sound = sound
        self._cpu_seconds = cpu_seconds
        self.unreadable = 0
        self.packet_bytes = 0
        context: AudioCodecContext | None = sound.codec_context  # FFmpeg may know the stream and not decode it
        if context is None or context.name not in DECODERS:
            name = "unknown" if context is None else context.name
            raise Refused(f"its codec is not one that is decoded ({name})")
        context.thread_count = 1
        self.codec = context.codec.canonical_name

    def __iter__(self) -> Iterator[AudioFrame]:
        for packet in self.packets():
            yield from self.decoded(packet)

    def decoded(self, packet: "Packet[AudioStream]") -> list[AudioFrame]:
        """The frames of a packet; none where it can't be read."""
        try:
            frames = self._sound.codec_context.decode(packet)
        except MemoryError:
            raise
        except FFmpegError:
            self.unreadable += 1
            return []
        self.packet_bytes += packet.size
        return frames

    def times_longer(self) -> float:
        """The recording's duration as a multiple of the decoded frames'."""
        return 1

    def packets(self) -> "Iterator[Packet[AudioStream]]":
        """The packets up to the file's end, or to the first error; the last is empty.

        Raises OutOfTime.
        """
        try:
            for number, packet in enumerate(self._container.demux(self._sound)):
                if number % _CLOCK_EVERY == 0 and time.process_time() > self._cpu_seconds:
                    raise OutOfTime
                yield packet
        except MemoryError:
            raise
        except FFmpegError:
            self.unreadable += 1


def damaged(error: FFmpegError) -> Refused:
    """The error as Refused. Raises its cause where that isn't damage: no memory, or no room on the disk."""
    cause: BaseException | None = error
    while cause is not None:
        no_room = isinstance(cause, OSError) and cause.errno in {errno.EFBIG, *DISK_FULL}
        if no_room or isinstance(cause, MemoryError):
            raise cause
        cause = cause.__context__
    return Refused(f"the file is damaged: {(error.strerror or 'it can not be read').lower()}")
