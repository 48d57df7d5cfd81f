"""What may lie beside a recording's bytes, all of which goes when the recording goes."""

PLAYBACK_EXTENSIONS = ("flac", "m4a", "mp3", "mp4", "webm")  # older variants are bare FLAC and MP3
MANIFEST, WAVEFORM, TRANSCRIPT = ".json", ".waveform.json", ".transcript.json"
# The manifest comes last: as long as it is there, the rest can be told to be ours.
ENDINGS = (*(f".playback.{extension}" for extension in PLAYBACK_EXTENSIONS), WAVEFORM, TRANSCRIPT, MANIFEST)


def waveform_name(name: str) -> str:
    """Where the waveform of the bytes under `name` lies."""
    return f"{name}{WAVEFORM}"


def playback_name(name: str, *, extension: str) -> str:
    """Where the playback variant of the bytes under `name` lies."""
    return f"{name}.playback.{extension}"


def artifacts(name: str) -> tuple[str, ...]:
    """Every name under which something may lie beside the bytes under `name`."""
    return tuple(f"{name}{ending}" for ending in ENDINGS)
