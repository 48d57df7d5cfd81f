"""Damaged and malicious recordings: each ends with a result or a reason, within the limits, and reaches nothing."""

import asyncio
import socket
from collections import Counter
from pathlib import Path

import pytest

from audio.model.formats import FLAC, WAV, AudioFormat
from audio.model.recognition import Recognition
from audio.processing.decoding import Decoder, DecodingFailed, DecodingLimits
from audio.processing.playback import make_playback, variant_for
from audio.processing.probing import examine
from tests.audio.conftest import format_of
from tests.audio.processing.damage import damaged, many_channels, silent_hours, traps
from tests.audio.samples import recording, repeat

LIMITS = DecodingLimits()
AT_ONCE = 2


async def ending(decoder: Decoder, path: Path, audio: AudioFormat, content: bytes) -> str:
    """How a recording ends: examined, perhaps with a variant, or the reason why not; always within the limits."""
    path.write_bytes(content)
    try:
        examined = await examine(path, Recognition(audio), decoder=decoder, limits=LIMITS)
        used = examined.used
        assert examined.probe.duration_seconds > 0
        assert 0 < len(examined.waveform.data) <= 2 * 4096
        outcome = "read, damaged" if examined.probe.damaged else "read"
        variant = variant_for(Recognition(audio), examined.probe)
        if variant is not None:
            target = path.with_suffix(".variant")
            await make_playback(path, target, Recognition(audio), variant=variant, decoder=decoder, limits=LIMITS)
            target.unlink()
            outcome += ", with a variant"
    except DecodingFailed as failed:
        used, outcome = failed.used, failed.reason
    assert "stumbled" not in outcome
    assert used.peak_memory_bytes < LIMITS.memory_bytes
    assert used.cpu_seconds < LIMITS.for_size(path.stat().st_size).cpu_seconds + 2
    return outcome


@pytest.mark.parametrize(
    ("count", "seed"), [(100, 1), pytest.param(1000, 2, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
async def test_damaged_recordings_end(decoder: Decoder, tmp_path: Path, count: int, seed: int) -> None:
    """However a file is damaged, it is read as far as that goes or refused with a reason, and the decoder stays up."""
    room = asyncio.Semaphore(AT_ONCE)
    endings: Counter[str] = Counter()

    async def one(at: int, name: str, audio: AudioFormat, content: bytes) -> None:
        async with room:
            try:
                outcome = await ending(decoder, tmp_path / str(at), audio, content)
            except Exception as error:
                error.add_note(name)
                raise
        endings[outcome] += 1

    await examine_something(decoder, tmp_path)
    server = decoder._server
    async with asyncio.TaskGroup() as tasks:
        for at, (name, audio, content) in enumerate(damaged(count, seed=seed)):
            tasks.create_task(one(at, name, audio, content))
    for outcome, times in endings.most_common():
        print(f"{times:>5}  {outcome}")
    assert endings.total() == count
    assert decoder._server is server


async def examine_something(decoder: Decoder, folder: Path) -> None:
    """Has the server started."""
    await ending(decoder, folder / "first", WAV, many_channels(1))


async def test_nothing_else_is_reached(decoder: Decoder, tmp_path: Path) -> None:
    """Playlists, scripts and references under a recording's name open no connection and no other file."""
    secret = tmp_path / "secret.mp3"
    secret.write_bytes(many_channels(1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for name, (audio, content) in traps(address, str(secret)).items():
            outcome = await ending(decoder, tmp_path / "recording", audio, content)
            if " as " in name or "another file" in name:
                assert "read" not in outcome, name
        with pytest.raises(BlockingIOError):
            listener.accept()


async def test_twelve_silent_hours_in_a_few_kilobytes(decoder: Decoder, tmp_path: Path) -> None:
    """A tiny file that decodes to half a day is read in flat memory, and flagged as silent."""
    content = silent_hours(12)
    assert len(content) < 100_000
    path = tmp_path / "recording"
    path.write_bytes(content)
    examined = await examine(path, Recognition(FLAC), decoder=decoder, limits=LIMITS)
    assert examined.probe.duration_seconds == pytest.approx(12 * 3600, abs=10)
    assert examined.probe.silent
    assert len(examined.waveform.data) <= 2 * 4096
    assert examined.used.peak_memory_bytes < 100 * 1024**2


async def test_a_day_is_a_recording(decoder: Decoder, tmp_path: Path) -> None:
    """What takes longer to decode than a job may take is looked at more coarsely, and has a length and a waveform."""
    path = tmp_path / "recording"
    path.write_bytes(silent_hours(24))
    brief = DecodingLimits(cpu_seconds=1, cpu_seconds_per_mib=0)
    examined = await examine(path, Recognition(FLAC), decoder=decoder, limits=brief)
    assert examined.probe.coarse
    assert examined.probe.duration_seconds == pytest.approx(24 * 3600, rel=0.01)
    drawn_seconds = (
        len(examined.waveform.data) / 2 * examined.waveform.samples_per_pixel / examined.waveform.sample_rate_hz
    )
    assert drawn_seconds == pytest.approx(24 * 3600, rel=0.01)
    assert examined.used.cpu_seconds < 2


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["ogg opus", "webm live", "mp3", "amr"])
async def test_a_day_of_sound_is_decoded(decoder: Decoder, tmp_path: Path, name: str) -> None:
    """A recording of a day ends with its length and its waveform, decoded as a whole, in every common format."""
    path = tmp_path / "recording"
    repeat(name, path, hours=24)
    audio = format_of(recording(name))
    examined = await examine(path, Recognition(audio), decoder=decoder, limits=LIMITS)
    print(f"{name}: {path.stat().st_size / 1024**2:.0f} MiB, {examined.used.cpu_seconds:.0f} s of processor time")
    assert examined.probe.duration_seconds == pytest.approx(24 * 3600, rel=0.001)
    assert not examined.probe.coarse


@pytest.mark.parametrize("channels", [0, 3, 8, 64, 65535])
async def test_many_channels(decoder: Decoder, tmp_path: Path, channels: int) -> None:
    """A recording may have as many channels as it likes: it is read, or refused with a reason."""
    outcome = await ending(decoder, tmp_path / "recording", WAV, many_channels(channels))
    assert outcome == "read" if channels in {3, 8, 64} else "read" not in outcome
