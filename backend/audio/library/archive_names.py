"""The names of recordings as files of an archive: every system can keep them, and no two are the same."""

import re
import unicodedata
from collections import Counter
from pathlib import PurePath

from audio.model.audio_file import AudioFile

LONGEST_BYTES = 180  # a name has at most 255, with its number and extension
_UNSAFE_CHARACTERS = re.compile('[<>:"/\\\\|?*\u202a-\u202e\u2066-\u2069]')  # to Windows, or turning what follows round
_UNSAFE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)", re.IGNORECASE)  # on Windows


class ArchiveNames:
    """The names in one archive so far."""

    def __init__(self, *, reserved: str) -> None:
        self._counts = Counter([reserved])

    def stem(self, recording: AudioFile) -> str:
        """A recording's title, or what its file was called, without extension; a number makes a second one another."""
        name = _safe(recording.title or PurePath(recording.original_filename or recording.filename).stem)
        stem = name
        while stem.casefold() in self._counts:
            self._counts[name.casefold()] += 1
            stem = f"{name} ({self._counts[name.casefold()]})"
        self._counts[stem.casefold()] += 1
        return stem

    @staticmethod
    def extension(recording: AudioFile) -> str:
        """The extension of its format, as its bytes were recognised."""
        return PurePath(recording.filename).suffix


def _safe(name: str) -> str:
    printable = "".join(
        "_" if unicodedata.category(character) in _UNSAFE_CATEGORIES else character
        for character in unicodedata.normalize("NFC", _UNSAFE_CHARACTERS.sub("_", name))
    )
    short = printable.encode()[:LONGEST_BYTES].decode(errors="ignore").strip(" .")
    return f"_{short}" if _DEVICES.match(short) else short or "recording"
