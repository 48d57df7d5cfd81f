"""The formats that are taken in, each with the type under which it is served."""

from dataclasses import dataclass

from core.errors import PegasusError


class NotAudio(PegasusError):
    message = (
        "The uploaded bytes are not audio in a known format"
        " (wav, mp3, m4a, mp4, 3gp, ogg, opus, flac, webm, mka, aac, ac3, dts, amr, aiff, au, caf, w64, wma)."
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
AC3 = AudioFormat("ac3", "audio/ac3", "ac3")
EAC3 = AudioFormat("eac3", "audio/eac3", "eac3")
DTS = AudioFormat("dts", "audio/vnd.dts", "dts")
AU = AudioFormat("au", "audio/basic", "au")
W64 = AudioFormat("w64", "audio/x-w64", "w64")
WMA = AudioFormat("wma", "audio/x-ms-wma", "wma")
