"""Opens a recording with the one demuxer of its format, and nothing else that FFmpeg could do."""

import errno
import os
from contextlib import suppress
from io import BytesIO, FileIO, RawIOBase
from itertools import islice
from typing import TypeAlias

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard

DEMUXERS = frozenset({
    "aac", "ac3", "aiff", "amr", "asf", "au", "caf", "dts", "eac3", "flac", "matroska", "mov", "mp3", "ogg", "w64",
    "wav",
})  # fmt: skip
# FFmpeg's names of decoders; a codec may have several.
DECODERS = frozenset({
    "aac", "aac_fixed", "aac_latm", "ac3", "ac3_fixed", "adpcm_adx", "adpcm_ct", "adpcm_g722", "adpcm_g726",
    "adpcm_ima_dk3", "adpcm_ima_dk4", "adpcm_ima_oki", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_sanyo",
    "adpcm_swf", "adpcm_yamaha", "alac", "als", "amrnb", "amrwb", "comfortnoise", "dca", "eac3", "evrc", "flac", "g722",
    "g723_1", "g726", "g726le", "g729", "gsm", "gsm_ms", "ilbc", "libopencore_amrnb", "libopencore_amrwb", "libopus",
    "libspeex", "libvorbis", "mace3", "mace6", "mlp", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float",
    "nellymoser", "opus", "qcelp", "qdm2", "qdmc", "speex", "truehd", "truespeech", "tta", "vorbis", "wavpack",
    "wmalossless", "wmapro", "wmav1", "wmav2", "wmavoice", "pcm_alaw", "pcm_bluray", "pcm_dvd", "pcm_f16le",
    "pcm_f24le", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16be_planar",
    "pcm_s16le", "pcm_s16le_planar", "pcm_s24be", "pcm_s24le", "pcm_s24le_planar", "pcm_s32be", "pcm_s32le",
    "pcm_s32le_planar", "pcm_s64be", "pcm_s64le", "pcm_s8", "pcm_s8_planar",
    "pcm_u16be", "pcm_u16le", "pcm_u24be", "pcm_u24le", "pcm_u32be", "pcm_u32le", "pcm_u8",
})  # fmt: skip
# FFmpeg's own decoders of AMR leave out the frames of a pause.
_PREFERRED_DECODERS = {"amrnb": "libopencore_amrnb", "amrwb": "libopencore_amrwb"}
_TRIED_PACKETS = 64
_READ_BYTES = 64 * 1024
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

File: TypeAlias = RawIOBase | BytesIO


class OpenedRecording(FileIO):
    """A file in which FFmpeg may seek to any position, as a damaged file can make it."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """The new position; for an invalid one a negative error number, as FFmpeg expects."""
        try:
            return super().seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return -errno.EINVAL


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


def sound_of(container: InputContainer, index: int) -> AudioStream:
    """The audio stream with that index, ready to be read; the others are skipped."""
    sound = container.streams[index]
    assert isinstance(sound, AudioStream)  # noqa: S101  # as `sound_index` chose
    for stream in container.streams:
        if stream is not sound:
            stream.discard = Discard.all
    return sound


def sound_index(source: File, *, demuxer: str) -> int:
    """The index of the first stream that can be decoded. Raises Refused."""
    with open_recording(source, demuxer=demuxer) as container:
        candidates = [stream.index for stream in container.streams.audio if decoder_name(stream) in DECODERS]
        names = [decoder_name(stream) for stream in container.streams.audio]
    if not names:
        raise Refused("it holds no sound")
    if not candidates:
        raise Refused(f"its codec is not one that is decoded ({', '.join(sorted(set(names)))})")
    if len(candidates) > 1:
        return next((index for index in candidates if _is_decodable(source, index, demuxer=demuxer)), candidates[0])
    return candidates[0]


def decoder_name(sound: AudioStream) -> str:
    """The name of the decoder that FFmpeg has chosen for a stream."""
    context: AudioCodecContext | None = sound.codec_context  # FFmpeg may know the stream and not decode it
    return "unknown" if context is None else context.name


def decoder_of(sound: AudioStream, *, is_big_endian: bool = False) -> AudioCodecContext:
    """The decoder of a stream, which starts no threads.

    FFmpeg takes the samples of WAV for little-endian also where the file `is_big_endian`.
    """
    context = sound.codec_context
    swapped = {context.name: context.name.removesuffix("le") + "be"} if is_big_endian and "le" in context.name else {}
    other = (_PREFERRED_DECODERS | swapped).get(context.name)
    if other is not None:
        preferred = CodecContext.create(other, "r")
        assert isinstance(preferred, AudioCodecContext)  # noqa: S101
        preferred.sample_rate = context.sample_rate
        preferred.layout = context.layout
        context = preferred
    context.thread_count = 1
    return context


def _is_decodable(source: File, index: int, *, demuxer: str) -> bool:
    """Whether one of a stream's first packets can be decoded."""
    with open_recording(source, demuxer=demuxer) as container, suppress(FFmpegError):
        sound = sound_of(container, index)
        decoder = decoder_of(sound)
        for packet in islice(container.demux(sound), _TRIED_PACKETS):
            with suppress(FFmpegError):
                if decoder.decode(packet):
                    return True
    return False


def damaged(error: FFmpegError) -> Refused:
    """The error as Refused. Raises its cause where that isn't damage: no memory, or no room on the disk."""
    cause: BaseException | None = error
    while cause is not None:
        no_room = isinstance(cause, OSError) and cause.errno in {errno.EFBIG, *DISK_FULL}
        if no_room or isinstance(cause, MemoryError):
            raise cause
        cause = cause.__context__
    return Refused(f"the file is damaged: {(error.strerror or 'it can not be read').lower()}")
