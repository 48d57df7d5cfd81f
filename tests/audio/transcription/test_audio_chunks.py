"""What Whisper's process is given: samples, in stretches that are cut where nobody speaks."""

from pathlib import Path

import numpy as np
import pytest

from audio.transcription.contract import SAMPLES_HERTZ
from audio.transcription.engines.audio_chunks import CHUNK_SECONDS, QUIET_SECONDS, SEARCH_SECONDS, split


def written(folder: Path, samples: np.ndarray) -> Path:
    path = folder / "samples"
    samples.astype(np.int16).tofile(path)
    return path


def test_a_short_recording_is_one_stretch(tmp_path: Path) -> None:
    """What is shorter than a stretch is heard in one piece, as floats between -1 and 1."""
    [(begins_seconds, samples)] = split(written(tmp_path, np.array([0, 16384, -32768, 32767])))
    assert begins_seconds == 0
    assert list(samples) == pytest.approx([0, 0.5, -1, 1], abs=0.0001)
    assert samples.dtype == np.float32


def test_a_long_one_is_cut_where_it_is_quiet(tmp_path: Path) -> None:
    """Stretches are the whole put end to end, none too long, each of them cut in a moment of silence near its end."""
    whole = np.full(int(2.5 * CHUNK_SECONDS * SAMPLES_HERTZ), 1000)
    quiet = int((CHUNK_SECONDS - SEARCH_SECONDS / 2) * SAMPLES_HERTZ)
    whole[quiet : quiet + SAMPLES_HERTZ] = 0
    chunks = list(split(written(tmp_path, whole)))
    assert np.array_equal(np.concatenate([samples for _, samples in chunks]), whole.astype(np.float32) / 32768)
    ends = np.cumsum([len(samples) for _, samples in chunks])
    assert [begins * SAMPLES_HERTZ for begins, _ in chunks] == [0, *ends[:-1]]
    assert max(len(samples) for _, samples in chunks) <= CHUNK_SECONDS * SAMPLES_HERTZ
    assert quiet <= ends[0] <= quiet + SAMPLES_HERTZ + QUIET_SECONDS * SAMPLES_HERTZ


def test_nothing_is_no_stretch(tmp_path: Path) -> None:
    """A file that is gone is told of, and not taken for silence."""
    with pytest.raises(FileNotFoundError):
        list(split(tmp_path / "gone"))
