"""Which names in storage are those of recordings, so that nothing else is ever taken for one."""

import re

from audio.manifest import manifest_name

_RECORDING = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*audio_[0-9]{8}_[0-9]{6}_[A-Za-z0-9]+\.[A-Za-z0-9]+")
_MANIFEST = manifest_name("")


def is_recording(name: str) -> bool:
    """Whether Pegasus, in whatever version, gives such names to recordings."""
    return _RECORDING.fullmatch(name) is not None


def is_manifest(name: str) -> bool:
    """Whether such is the name of a recording's manifest."""
    return name.endswith(_MANIFEST) and is_recording(named_by(name))


def named_by(manifest: str) -> str:
    """The name of the recording that a manifest of this name belongs to."""
    return manifest.removesuffix(_MANIFEST)
