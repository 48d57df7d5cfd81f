"""Decides which recordings browsers can't play or seek in, and makes a variant that they can.

The original is never touched. Playable means by the current Chrome, Firefox and Safari (MDN, "Media container formats"
and "Web audio codec guide"; Ogg in Safari since 18.4).
"""

from dataclasses import dataclass
from pathlib import Path

from audio.model.demuxers import DEMUXERS
from audio.model.formats import FLAC, M4A, MP3, WEBM, AudioFormat
from audio.processing.decoding import Decoder, DecodingLimits, ResourceUsage
from audio.processing.open_files import new_file, opened
from audio.processing.probing import Probe

_PCM = frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_alaw", "pcm_mulaw"})
_ISO = frozenset({"aac", "mp3", "opus", "flac"})
_PLAYABLE = {
    "wav": _PCM,
    "mp3": frozenset({"mp3"}),
    "m4a": _ISO,
    "mp4": _ISO,
    "ogg-opus": frozenset({"opus"}),
    "ogg": frozenset({"opus", "vorbis"}),
    "flac": frozenset({"flac"}),
    "webm": frozenset({"opus", "vorbis"}),
}
# Codecs that every browser decodes, each with a container in which it can also seek, and FFmpeg's muxer for that. FLAC
# isn't among them: copied from another container it states no length. Encoding it again is lossless.
_REMUXED = {
    "aac": (M4A, "ipod"),
    "mp3": (MP3, "mp3"),
    "opus": (WEBM, "webm"),
    "vorbis": (WEBM, "webm"),
}
_MOST_CHANNELS = 8  # RFC 9639; no browser plays more


@dataclass(frozen=True)
class Variant:
    """A playable variant: its format, and the muxer that copies the packets; without one it is encoded as FLAC."""

    audio: AudioFormat
    muxer: str | None = None


def variant_for(audio: AudioFormat, probe: Probe) -> Variant | None:
    """The variant that a recording needs; None when browsers play and seek the original, or no variant would help."""
    if probe.seekable and probe.codec in _PLAYABLE.get(audio.name, ()):
        return None
    if probe.codec in _REMUXED:
        return Variant(*_REMUXED[probe.codec])
    return Variant(FLAC) if probe.channels <= _MOST_CHANNELS else None


async def make_playback(
    file: Path | int,
    target: Path,
    *,
    audio: AudioFormat,
    variant: Variant,
    decoder: Decoder,
    limits: DecodingLimits,
) -> ResourceUsage:
    """Writes the playback variant of the recording in `file` to the new file `target`, not yet durably.

    Raises:
        DecodingFailed: it can't be made within the limits; `target` is removed.
        DecoderUnavailable, DecoderKilled, OSError: see `Decoder.run`.
    """
    job, arguments = ("remux", {"muxer": variant.muxer}) if variant.muxer else ("transcode", {})
    async with opened(file) as source, new_file(target) as written:
        _, used = await decoder.run(
            job, source=source, target=written, limits=limits, demuxer=DEMUXERS[audio.name], **arguments
        )
    return used
