"""A recording as Whisper hears it: decoded in the child, in every format, and for no longer than a day."""

import io
import os
from pathlib import Path

import av
import numpy as np
import pytest

from audio.model.demuxers import DEMUXERS
from audio.model.formats import NotAudio
from audio.processing.decoding import Decoder, DecodingFailed, DecodingLimits
from audio.processing.open_files import new_file, opened
from audio.processing.speech_samples import SampleFiles
from audio.transcription.contract import SAMPLES_HERTZ
from tests.audio.conftest import format_of
from tests.audio.processing.damage import silent_hours
from tests.audio.samples import SAMPLES, Sample, recording


async def heard(decoder: Decoder, folder: Path, content: bytes) -> np.ndarray:
    """The samples of a recording."""
    path = folder / "recording"
    path.write_bytes(content)
    async with SampleFiles(decoder=decoder, scratch=folder).of(path) as samples:
        assert samples.stat().st_mode & 0o777 == 0o600
        return np.fromfile(samples, np.int16)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_every_format_is_heard(decoder: Decoder, tmp_path: Path, sample: Sample) -> None:
    """Whatever a recording's format, rate and channels: one channel at 16 kHz, as long and about as loud."""
    samples = await heard(decoder, tmp_path, recording(sample.name, seconds=3.0))
    assert len(samples) == pytest.approx(3 * SAMPLES_HERTZ, abs=0.12 * SAMPLES_HERTZ)
    assert np.abs(samples[SAMPLES_HERTZ : 2 * SAMPLES_HERTZ]).max() == pytest.approx(0.244 * 32768, rel=0.35)
    assert [path.name for path in tmp_path.iterdir()] == ["recording"]


async def test_what_is_no_recording_is_refused(decoder: Decoder, tmp_path: Path) -> None:
    """Playlists and scripts are no format of ours, and a header alone holds no sound; nothing is left behind."""
    for content, error in {
        b"#EXTM3U\nhttp://127.0.0.1:9/a.ts\n": NotAudio,
        b"ffconcat version 1.0\nfile /etc/passwd\n": NotAudio,
        recording("mp4")[:40]: DecodingFailed,
        recording("wav")[:44]: DecodingFailed,
    }.items():
        with pytest.raises(error):
            await heard(decoder, tmp_path, content)
    assert [path.name for path in tmp_path.iterdir()] == ["recording"]


async def test_no_picture_is_decoded(decoder: Decoder, tmp_path: Path) -> None:
    """Of a film the sound is decoded and nothing else: a film whose pictures are noise is heard all the same."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        pictures = container.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        sound = container.add_stream("flac", rate=16000, layout="mono")
        assert isinstance(sound, av.AudioStream)
        for at in range(10):
            noise = av.Packet(bytes(range(256)))
            noise.stream, noise.pts, noise.dts = pictures, at, at
            container.mux(noise)
            frame = av.AudioFrame(format="s16", layout="mono", samples=1600)
            frame.planes[0].update(b"\x00\x10" * 1600)
            frame.sample_rate, frame.pts = 16000, at * 1600
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    samples = await heard(decoder, tmp_path, file.getvalue())
    assert list(samples) == [4096] * 16000


async def test_what_sounds_for_too_long_is_refused(decoder: Decoder, tmp_path: Path) -> None:
    """Kilobytes that sound for half a day aren't written out beyond the length that is heard."""
    path = tmp_path / "recording"
    path.write_bytes(silent_hours(12))
    async with opened(path) as source, new_file(tmp_path / "samples") as target:
        with pytest.raises(DecodingFailed, match="it sounds for more than 1 hours"):
            await decoder.run(
                "samples",
                source=source,
                target=target,
                limits=DecodingLimits(),
                demuxer=DEMUXERS[format_of(silent_hours(12)).name],
                longest_seconds=3600,
            )
        assert (tmp_path / "samples").stat().st_size <= (3600 + 10) * 2 * SAMPLES_HERTZ


@pytest.mark.parametrize("job", ["samples", "transcode", "remux"])
async def test_a_full_disk_is_no_fault_of_the_recordings(decoder: Decoder, tmp_path: Path, job: str) -> None:
    """Where there is no room for what is made of it, a recording isn't blamed: it can be tried again."""
    arguments: dict[str, dict[str, float | str]] = {
        "samples": {"longest_seconds": 60},
        "transcode": {"codec": "aac"},
        "remux": {"muxer": "ipod"},
    }
    path = tmp_path / "recording"
    path.write_bytes(recording("aac", seconds=60.0))
    target = os.open("/dev/full", os.O_RDWR)
    try:
        async with opened(path) as source:
            with pytest.raises(OSError, match="No space left on device"):
                await decoder.run(
                    job,
                    source=source,
                    target=target,
                    limits=DecodingLimits(),
                    demuxer="aac",
                    **arguments[job],
                )
    finally:
        os.close(target)
