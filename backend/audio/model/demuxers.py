"""FFmpeg's demuxer for each of our formats, by the format's name: what was recognised is never guessed at again."""

DEMUXERS = {
    "wav": "wav",
    "mp3": "mp3",
    "m4a": "mov",
    "mp4": "mov",
    "quicktime": "mov",
    "3gp": "mov",
    "3g2": "mov",
    "ogg-opus": "ogg",
    "ogg": "ogg",
    "flac": "flac",
    "webm": "matroska",
    "matroska": "matroska",
    "aac": "aac",
    "amr": "amr",
    "amr-wb": "amr",
    "aiff": "aiff",
    "caf": "caf",
    "wma": "asf",
}
