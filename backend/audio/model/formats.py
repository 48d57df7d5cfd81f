"""Recognises audio by its first bytes alone; neither a file's name nor a declared type is ever asked.

The signatures come from the formats' own specifications, named beside each.
"""

import re
from dataclasses import dataclass

from audio.model.mpeg_frames import begins_with_adts_frames, begins_with_mpeg_frames, id3_tag_length
from core.errors import PegasusError

HEAD_BYTES = 16 * 1024


class NotAudio(PegasusError):
    message = (
        "The uploaded bytes are not audio in a known format"
        " (wav, mp3, m4a, mp4, 3gp, ogg, opus, flac, webm, mka, aac, amr, aiff, caf, wma)."
    )


@dataclass(frozen=True)
class AudioFormat:
    """A container, with the type under which it is served and the ending of its file's name."""

    name: str
    mime_type: str
    extension: str


WAV = AudioFormat("wav", "audio/wav", "wav")
MP3 = AudioFormat("mp3", "audio/mpeg", "mp3")
M4A = AudioFormat("m4a", "audio/mp4", "m4a")
MP4 = AudioFormat("mp4", "audio/mp4", "mp4")
QUICKTIME = AudioFormat("quicktime", "video/quicktime", "mov")
THREE_GP = AudioFormat("3gp", "audio/3gpp", "3gp")
THREE_G2 = AudioFormat("3g2", "audio/3gpp2", "3g2")
OGG_OPUS = AudioFormat("ogg-opus", "audio/ogg", "opus")
OGG = AudioFormat("ogg", "audio/ogg", "ogg")
FLAC = AudioFormat("flac", "audio/flac", "flac")
WEBM = AudioFormat("webm", "audio/webm", "webm")
MATROSKA = AudioFormat("matroska", "audio/x-matroska", "mka")
AAC = AudioFormat("aac", "audio/aac", "aac")
AMR = AudioFormat("amr", "audio/amr", "amr")
AMR_WB = AudioFormat("amr-wb", "audio/amr-wb", "awb")
AIFF = AudioFormat("aiff", "audio/aiff", "aiff")
CAF = AudioFormat("caf", "audio/x-caf", "caf")
WMA = AudioFormat("wma", "audio/x-ms-wma", "wma")

SIGNATURES: tuple[tuple[re.Pattern[bytes], AudioFormat], ...] = (
    # WAVE: Microsoft RIFF; RF64 and BW64: EBU Tech 3306, ITU-R BS.2088
    (re.compile(rb"(?:RIFF|RF64|BW64)....WAVE", re.DOTALL), WAV),
    # FLAC: RFC 9639, 8.2: STREAMINFO comes first and has 34 bytes
    (re.compile(rb"fLaC[\x00\x80]\x00\x00\x22", re.DOTALL), FLAC),
    # AMR: RFC 4867, 5.1 and 5.3 (multichannel)
    (re.compile(rb"#!AMR-WB(?:_MC1\.0)?\n"), AMR_WB),
    (re.compile(rb"#!AMR(?:_MC1\.0)?\n"), AMR),
    # AIFF and AIFF-C: Apple, AIFF 1.3 and AIFF-C
    (re.compile(rb"FORM....AIF[FC]", re.DOTALL), AIFF),
    # CAF: Apple Core Audio Format: version 1, no flags, the description chunk first
    (re.compile(rb"caff\x00\x01\x00\x00desc"), CAF),
    # ASF: Microsoft Advanced Systems Format 10.1, the header object's GUID
    (re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"), WMA),
)

# A logical stream's first page holds its first packet alone: RFC 3533, 6; the packets: RFC 7845, Vorbis I 4.2.1,
# the FLAC-to-Ogg mapping (RFC 9639, 10.1), the Speex manual.
OGG_PAGE = re.compile(rb"OggS\x00[\x02\x06].{20}(.)", re.DOTALL)
OGG_PACKETS = {b"OpusHead": OGG_OPUS, b"\x01vorbis": OGG, b"\x7fFLAC": OGG, b"Speex   ": OGG}

# ISO/IEC 14496-12, 4.3 (ftyp); the brands as registered at mp4ra.org; 3GPP TS 26.244; 3GPP2 C.S0050.
FTYP = re.compile(rb"(\x00\x00..)ftyp(....)(....)", re.DOTALL)
BRANDS: tuple[tuple[re.Pattern[bytes], AudioFormat], ...] = (
    (re.compile(rb"M4[AB] "), M4A),
    (re.compile(rb"3g[2].", re.DOTALL), THREE_G2),
    (re.compile(rb"3g[efghmprs].|3gp.", re.DOTALL), THREE_GP),
    (re.compile(rb"qt  "), QUICKTIME),
    (re.compile(rb"iso[m2-9]|mp4[12]|avc1|dash|MSNV|M4V |cmf[2cfs]|F4A "), MP4),
)

# EBML: RFC 8794, 11.2; the DocType (0x4282) of WebM and of Matroska (RFC 9559)
EBML = b"\x1a\x45\xdf\xa3"
DOC_TYPE = re.compile(rb"\x42\x82(?:\x84webm|\x88matroska)")


def recognise(head: bytes) -> AudioFormat | None:
    """The format of a file that begins with `head`, its first HEAD_BYTES (or all of it); None when it isn't audio."""
    for recognises in (_by_signature, _ogg, _iso_media, _ebml, _frames):
        found = recognises(head)
        if found is not None:
            return found
    return None


def _by_signature(head: bytes) -> AudioFormat | None:
    return next((audio for signature, audio in SIGNATURES if signature.match(head)), None)


def _ogg(head: bytes) -> AudioFormat | None:
    page = OGG_PAGE.match(head)
    if page is None:
        return None
    packet = head[page.end() + page[1][0] :]
    return next((audio for magic, audio in OGG_PACKETS.items() if packet.startswith(magic)), None)


def _iso_media(head: bytes) -> AudioFormat | None:
    """The first brand that we know: the major one, or one of those it says it is compatible with."""
    box = FTYP.match(head)
    if box is None:
        return None
    compatible = head[16 : int.from_bytes(box[1])]
    brands = [box[2], *(compatible[at : at + 4] for at in range(0, len(compatible), 4))]
    known = (audio for brand in brands for pattern, audio in BRANDS if pattern.fullmatch(brand))
    return next(known, None)


def _ebml(head: bytes) -> AudioFormat | None:
    document = DOC_TYPE.search(head, 0, 128) if head.startswith(EBML) else None
    if document is None:
        return None
    return WEBM if document[0].endswith(b"webm") else MATROSKA


def _frames(head: bytes) -> AudioFormat | None:
    """Formats without a header of their own: a run of frames, perhaps after an ID3 tag.

    A tag longer than the head holds a picture, and nearly always stands before MP3.
    """
    tag = id3_tag_length(head)
    if tag >= len(head):
        return MP3 if len(head) >= HEAD_BYTES else None
    frames = head[tag:].lstrip(b"\x00") if tag else head
    if begins_with_mpeg_frames(frames):
        return MP3
    if begins_with_adts_frames(frames):
        return AAC
    return FLAC if tag and _by_signature(frames) is FLAC else None
