"""Recognises a format by how its first bytes look, where the file begins with the sound itself.

The signatures come from the formats' own specifications, named beside each.
"""

import re

from audio.model.formats import (
    AIFF,
    AMR,
    AMR_WB,
    AU,
    CAF,
    FLAC,
    M4A,
    MATROSKA,
    MP4,
    OGG,
    OGG_OPUS,
    QUICKTIME,
    THREE_G2,
    THREE_GP,
    W64,
    WAV,
    WEBM,
    WMA,
    AudioFormat,
)

_SIGNATURES: tuple[tuple[re.Pattern[bytes], AudioFormat], ...] = (
    # WAVE: Microsoft RIFF, and RIFX with the high byte first; RF64 and BW64: EBU Tech 3306, ITU-R BS.2088
    # The size of the first chunk isn't made of a text's letters.
    (re.compile(rb"(?:RIFF|RF64|BW64)....WAVE(?:.{7}[^\x20-\x7e]|.{0,7}\Z)", re.DOTALL), WAV),
    (re.compile(rb"RIFX....WAVE(?:.{4}[^\x20-\x7e]|.{0,4}\Z)", re.DOTALL), WAV),
    # Wave64: Sony Pictures Digital, "Sony Wave64", the GUIDs of its first chunk and of WAVE
    (
        re.compile(
            rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00.{8}wave\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a",
            re.DOTALL,
        ),
        W64,
    ),
    # FLAC: RFC 9639, 8.2: STREAMINFO comes first and has 34 bytes
    (re.compile(rb"fLaC[\x00\x80]\x00\x00\x22", re.DOTALL), FLAC),
    # AMR: RFC 4867, 5.1 and 5.3 (multichannel)
    (re.compile(rb"#!AMR-WB(?:_MC1\.0)?\n"), AMR_WB),
    (re.compile(rb"#!AMR(?:_MC1\.0)?\n"), AMR),
    # AIFF and AIFF-C: Apple, AIFF 1.3 and AIFF-C
    (re.compile(rb"FORM....AIF[FC](?:.{4}[^\x20-\x7e]|.{0,4}\Z)", re.DOTALL), AIFF),
    # CAF: Apple Core Audio Format: version 1, no flags, the description chunk first
    (re.compile(rb"caff\x00\x01\x00\x00desc"), CAF),
    # AU: Sun and NeXT, "audio(5)": the header has 24 bytes or more, then size, encoding, rate and channels
    (
        re.compile(rb"\.snd\x00[\x00-\x0f].{6}\x00\x00\x00[\x01-\x1b]\x00...\x00\x00\x00[\x01-\xff]", re.DOTALL),
        AU,
    ),
    # ASF: Microsoft Advanced Systems Format 10.1, the header object's GUID
    (re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"), WMA),
)

# A logical stream's first page holds its first packet alone: RFC 3533, 6; the packets: RFC 7845, Vorbis I 4.2.1,
# the FLAC-to-Ogg mapping (RFC 9639, 10.1) and the one before it, the Speex manual.
_OGG_FIRST_PAGE = re.compile(rb"OggS\x00[\x02\x03\x06\x07].{20}(.)", re.DOTALL)
_OGG_PACKETS = {b"OpusHead": OGG_OPUS, b"\x01vorbis": OGG, b"\x7fFLAC": OGG, b"fLaC": OGG, b"Speex   ": OGG}

# ISO/IEC 14496-12, 4.3 (ftyp); the brands as registered at mp4ra.org; 3GPP TS 26.244; 3GPP2 C.S0050.
_BRANDS: tuple[tuple[re.Pattern[bytes], AudioFormat], ...] = (
    (re.compile(rb"M4[AB] "), M4A),
    (re.compile(rb"3g[2].", re.DOTALL), THREE_G2),
    (re.compile(rb"3g[efghmprs].|3gp.", re.DOTALL), THREE_GP),
    (re.compile(rb"qt  "), QUICKTIME),
    (re.compile(rb"iso[m2-9]|mp4[12]|avc1|dash|MSNV|M4V |cmf[2cfs]|F4A "), MP4),
)
_PICTURE_BRANDS = re.compile(rb"mif1|msf1|he[iv][cxms]|avi[fso]|jp[2xm] |jxl |crx |mj2s|mjp2")

# EBML: RFC 8794, 11.2; the DocType (0x4282) of WebM and of Matroska (RFC 9559). Its size has one to eight bytes, and is
# more than the name's where zeros are behind that.
_EBML = b"\x1a\x45\xdf\xa3"
_DOC_TYPE = re.compile(rb"\x42\x82(?:[\x84-\xfe]|[\x40\x20\x10\x08\x04\x02\x01]\x00{0,6}[\x04-\x7f])(webm|matroska)")
_LONGEST_EBML_HEAD = 4096  # with elements that fill it up

# What begins so holds no bare frames, even where a run of them lies in it: archives, documents, pictures, programs, and
# containers that aren't taken in.
_FOREIGN = re.compile(
    rb"PK[\x01-\x08]|Rar!|7z\xbc\xaf|\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18|MSCF|!<arch>|07070|xar!"
    rb"|.{257}ustar|%PDF|%!PS|\{\\rtf|\xd0\xcf\x11\xe0|SQLite |\x7fELF|MZ|\xca\xfe\xba\xbe|[\xcf\xce]\xfa\xed\xfe"
    rb"|\x89PNG|\xff\xd8\xff|GIF8|BM.{4}\x00\x00\x00\x00|II[*+]\x00|MM\x00[*+]|8BPS|\x00\x00\x01\x00"
    rb"|RIF[FX]|FORM|LIST|FLV|[FCZ]WS|\x00\x00\x01[\xb3\xba]|\x47.{187}\x47.{187}\x47|nut/|\.RMF|DKIF|\x06\x0e\x2b\x34"
    rb"|\x1a\x45\xdf\xa3|OggS|.{4}(?:ftyp|moov|mdat|moof|styp|wide|skip|free)|\xef\xbb\xbf"
    rb"|\s*<[!?/a-zA-Z][\x20-\x7e\s]{6}|\s*[{\[][\"\s\w][\x20-\x7e\s]{6}",
    re.DOTALL,
)
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]{32,}")


def signature_of(window: bytes) -> AudioFormat | None:
    """The format whose signature begins here: one that no more than its first bytes decide."""
    return next((audio for signature, audio in _SIGNATURES if signature.match(window)), None) or _ebml(window)


def ogg_first_page(window: bytes) -> tuple[AudioFormat | None, int] | None:
    """The format of the logical stream that a page opens, if it is audio, and the page's length.

    None where no page begins here that opens a stream.
    """
    page = _OGG_FIRST_PAGE.match(window)
    if page is None:
        return None
    lacing = window[page.end() : page.end() + page[1][0]]
    packet = window[page.end() + len(lacing) :]
    audio = next((audio for magic, audio in _OGG_PACKETS.items() if packet.startswith(magic)), None)
    return audio, page.end() + len(lacing) + sum(lacing)


def branded(brands: bytes) -> AudioFormat | None:
    """The format of the first brand that we know: the major one, or one of those it says it is compatible with.

    `brands` is the body of a box ftyp or styp.
    """
    names = [brands[:4], *(brands[at : at + 4] for at in range(8, len(brands), 4))]
    return next((audio for name in names for pattern, audio in _BRANDS if pattern.fullmatch(name)), None)


def is_picture(brands: bytes) -> bool:
    """Whether the major brand is that of a picture."""
    return _PICTURE_BRANDS.match(brands[:4]) is not None


def is_foreign(window: bytes, *, before: int) -> bool:
    """Whether a file that begins so is something else, though frames may begin at `before`."""
    text = _TEXT.match(window)
    return _FOREIGN.match(window) is not None or (text is not None and text.end() >= before > 0)


def _ebml(window: bytes) -> AudioFormat | None:
    document = _DOC_TYPE.search(window, 0, _LONGEST_EBML_HEAD) if window.startswith(_EBML) else None
    if document is None:
        return None
    return WEBM if document[1] == b"webm" else MATROSKA
