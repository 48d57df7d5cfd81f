"""Which names in storage are those of recordings, so that nothing else is ever taken for one."""

import re

from audio.model.artifacts import ENDINGS

_RECORDING = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*audio_[0-9]{8}_[0-9]{6}_[A-Za-z0-9]+\.[A-Za-z0-9]+")


def is_recording(name: str) -> bool:
    """Whether Pegasus, in whatever version, gives such names to recordings."""
    return _RECORDING.fullmatch(name) is not None


def is_companion(name: str) -> bool:
    """Whether such is the name of something that lies beside a recording's bytes: its manifest, say."""
    return named_by(name) != name and is_recording(named_by(name))


def named_by(companion: str) -> str:
    """The name of the recording that a companion of this name belongs to; a recording's own name stays as it is."""
    endings = (ending for ending in ENDINGS if companion.endswith(ending))
    return companion.removesuffix(max(endings, key=len, default=""))
