"""The files in folders that may be recordings, by the endings of their names; the bytes decide."""

import mimetypes
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from audio.model import formats
from audio.model.formats import AudioFormat

OTHER_ENDINGS = {"oga", "aif", "aifc", "wave", "3gpp", "mpga", "m4b", "snd", "ec3", "rf64"}
ENDINGS = OTHER_ENDINGS | {one.extension for one in vars(formats).values() if isinstance(one, AudioFormat)}


def recording_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files that are named, and those with an audio format's ending in the folders; none whose name is hidden."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, names, files in os.walk(path):
            names[:] = [name for name in names if not name.startswith(".")]
            yield from (Path(folder, name) for name in files if _is_audio(name))


def missing_paths(paths: Sequence[Path]) -> str | None:
    """What a person is told of paths that aren't there; None where all are."""
    missing = [str(path) for path in paths if not path.exists()]
    return f"there is no {', no '.join(missing)}" if missing else None


def summary(counts: Counter[str]) -> str:
    """What became of how many of them, as a sentence."""
    outcomes = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    total = counts.total()
    return f"{total} recording{'s' if total > 1 else ''}: {outcomes}." if total else "No recordings."


def _is_audio(name: str) -> bool:
    kind = mimetypes.guess_type(name)[0] or ""
    ending = name.rpartition(".")[2].lower()
    return not name.startswith(".") and (ending in ENDINGS or kind.startswith("audio/"))
