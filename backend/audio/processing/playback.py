"""Decides which recordings browsers can't play or seek in, and makes a variant that they can.

The original is never touched. Playable means by the current Chrome, Firefox and Safari (MDN, "Media container formats"
and "Web audio codec guide"; Ogg in Safari since 18.4).
"""

from dataclasses import dataclass
from pathlib import Path

from audio.model.demuxers import DEMUXERS
from audio.model.formats import M4A, MP4, WEBM, AudioFormat
from audio.model.recognition import Recognition
from audio.processing.decoding import Decoder, DecodingLimits, ResourceUsage
from audio.processing.open_files import new_file, opened
from audio.processing.probing import Probe

_PCM = frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_alaw", "pcm_mulaw"})
_ISO = frozenset({"aac", "mp3", "opus", "flac"})
_PLAYABLE = {  # in bare FLAC Chromium can't seek near the end
    "wav": _PCM,
    "mp3": frozenset({"mp3"}),
    "m4a": _ISO,
    "mp4": _ISO,
    "ogg-opus": frozenset({"opus"}),
    "ogg": frozenset({"opus", "vorbis"}),
    "webm": frozenset({"opus", "vorbis"}),
}
# Codecs that every browser decodes, each with a container in which it can also seek, and FFmpeg's muxer for that.
_REMUXED = {
    "aac": (M4A, "ipod"),
    "flac": (MP4, "mp4"),
    "mp3": (MP4, "mp4"),  # remuxed as MP3 Chromium fails to seek in it
    "opus": (WEBM, "webm"),
    "vorbis": (WEBM, "webm"),
}
_MOST_CHANNELS = 8  # RFC 9639; no browser plays more
_LONGEST_ENCODED_SECONDS = 48 * 3600  # a few bytes of a low rate can claim years
_LOWEST_HERTZ, _HIGHEST_COPIED_HERTZ = 3000, 65_535  # of Chromium, and of what MP4 states


@dataclass(frozen=True)
class Variant:
    """A playable variant: its format, and the muxer that copies the packets; without one it is encoded as FLAC.

    `codec` is that of the original.
    """

    audio: AudioFormat
    codec: str
    muxer: str | None = None


def variant_for(recognition: Recognition, probe: Probe) -> Variant | None:
    """The variant that a recording needs; None when browsers play and seek the original, or no variant would help."""
    is_sound = probe.continuous and not probe.damaged and probe.sample_rate_hz >= _LOWEST_HERTZ
    is_playable = probe.codec in _PLAYABLE.get(recognition.audio.name, ())
    if is_sound and is_playable and probe.seekable and recognition.is_plain:
        return None
    if probe.continuous and probe.codec in _REMUXED and probe.sample_rate_hz <= _HIGHEST_COPIED_HERTZ:
        audio, muxer = _REMUXED[probe.codec]
        return Variant(audio, probe.codec, muxer)
    is_encodable = probe.channels <= _MOST_CHANNELS and probe.duration_seconds <= _LONGEST_ENCODED_SECONDS
    return Variant(MP4, probe.codec) if is_encodable else None


async def make_playback(
    file: Path | int,
    target: Path,
    recognition: Recognition,
    *,
    variant: Variant,
    decoder: Decoder,
    limits: DecodingLimits,
) -> ResourceUsage:
    """Writes the playback variant of the recording in `file` to the new file `target`, not yet durably.

    Raises:
        DecodingFailed: it can't be made within the limits; `target` is removed.
        DecoderUnavailable, DecoderKilled, OSError: see `Decoder.run`.
    """
    job, arguments = ("remux", {"muxer": variant.muxer}) if variant.muxer else ("transcode", {"codec": variant.codec})
    async with opened(file) as source, new_file(target) as written:
        _, used = await decoder.run(
            job,
            source=source,
            target=written,
            limits=limits,
            demuxer=DEMUXERS[recognition.audio.name],
            start=recognition.start,
            **arguments,
        )
    return used
