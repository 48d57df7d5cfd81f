"""The child that decodes: what it may not do, when it ends, and that nothing outlives whoever waits for it."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from audio.model.formats import FLAC, WAV
from audio.model.recognition import Recognition
from audio.processing.decoding import Decoder, DecoderKilled, DecodingFailed, DecodingLimits
from audio.processing.probing import examine
from tests.audio.samples import recording

BACKEND = Path(__file__).resolve().parents[3] / "backend"
LIMITS = DecodingLimits()
PATIENCE_SECONDS = 20

WAITING = """
import asyncio, sys
from pathlib import Path
sys.path.append(sys.argv[1])
from audio.processing.decoding import Decoder, DecodingLimits
from audio.model.formats import WAV
from audio.model.recognition import Recognition
from audio.processing.probing import examine

async def main():
    async with Decoder() as decoder:
        path = Path(sys.argv[2])
        job = asyncio.create_task(examine(path, Recognition(WAV), decoder=decoder, limits=DecodingLimits()))
        while not decoder._server:
            await asyncio.sleep(0.05)
        print(decoder._server.process.pid, flush=True)
        await job

asyncio.run(main())
"""


@pytest.fixture
async def own_decoder() -> AsyncIterator[Decoder]:
    """A decoder of the test's own, whose server may be killed."""
    async with Decoder() as decoder:
        yield decoder


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A silent WAV that takes seconds to decode: hours of zeros that take no room on the disk."""
    path = tmp_path / "endless.wav"
    size = 0xF0000000
    layout = struct.pack("<HHIIHH", 1, 1, 48000, 96000, 2, 16)
    path.write_bytes(
        b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt \x10\0\0\0" + layout + b"data" + struct.pack("<I", size)
    )
    os.truncate(path, size)
    return path


def server_of(decoder: Decoder) -> int:
    assert decoder._server is not None
    return decoder._server.process.pid


def children(pid: int) -> list[int]:
    """The processes that a process has begun, and theirs."""
    try:
        begun = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return []
    return [*map(int, begun), *(grandchild for child in map(int, begun) for grandchild in children(child))]


def running(pid: int) -> bool:
    """Whether a process is there, and no zombie that nobody has buried."""
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and ") Z " not in state.read_text()


async def until(true: Callable[[], object]) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_processor_time_is_limited(decoder: Decoder, endless: Path) -> None:
    """What computes for too long is ended, and the reason says so."""
    with pytest.raises(DecodingFailed, match="it took more than 1 s of processor time"):
        await examine(
            endless, Recognition(WAV), decoder=decoder, limits=DecodingLimits(cpu_seconds=1, cpu_seconds_per_mib=0)
        )


async def test_time_is_limited(decoder: Decoder, endless: Path) -> None:
    """What takes too long is ended, and the reason says so."""
    with pytest.raises(DecodingFailed, match="it took more than 1 s[.]"):
        await examine(
            endless, Recognition(WAV), decoder=decoder, limits=DecodingLimits(wall_seconds=1, cpu_seconds_per_mib=0)
        )


async def test_memory_is_limited(decoder: Decoder, tmp_path: Path) -> None:
    """What needs too much memory is ended, and the reason says so."""
    path = tmp_path / "recording"
    path.write_bytes(_with_picture(recording("flac"), size=12 * 1024**2))
    with pytest.raises(DecodingFailed, match="it needed more than 64 MiB of memory"):
        await examine(path, Recognition(FLAC), decoder=decoder, limits=DecodingLimits(memory_bytes=64 * 1024**2))


def _with_picture(flac: bytes, *, size: int) -> bytes:
    """A FLAC file with a picture, which FFmpeg reads into memory as a whole: RFC 9639, 8.8."""
    head = len(b"fLaC") + 4 + 34  # with STREAMINFO
    picture = struct.pack(">II9sIIIIII", 3, 9, b"image/png", 0, 1, 1, 24, 0, size) + bytes(size)
    return flac[:head] + b"\x06" + len(picture).to_bytes(3) + picture + flac[head:]


async def test_a_cancelled_job_ends_its_child(own_decoder: Decoder, endless: Path) -> None:
    """Whoever stops waiting leaves no child behind, and the server goes on."""
    job = asyncio.create_task(examine(endless, Recognition(WAV), decoder=own_decoder, limits=LIMITS))
    await until(lambda: own_decoder._server and len(children(server_of(own_decoder))) == 2)
    job.cancel()
    await until(lambda: not children(server_of(own_decoder)))


async def test_a_killed_server_is_started_anew(own_decoder: Decoder, endless: Path, tmp_path: Path) -> None:
    """A job that is running doesn't need the server, and the next one gets a new server."""
    running = asyncio.create_task(
        examine(
            endless, Recognition(WAV), decoder=own_decoder, limits=DecodingLimits(wall_seconds=2, cpu_seconds_per_mib=0)
        )
    )
    await until(lambda: own_decoder._server and len(children(server_of(own_decoder))) == 2)
    killed = server_of(own_decoder)
    os.kill(killed, signal.SIGKILL)
    path = tmp_path / "recording"
    path.write_bytes(recording("wav"))
    await examine(path, Recognition(WAV), decoder=own_decoder, limits=LIMITS)
    assert server_of(own_decoder) != killed
    with pytest.raises(DecodingFailed, match="it took more than 2 s"):
        await running


@pytest.mark.parametrize("which", [0, 1], ids=["the supervisor", "the child"])
async def test_what_is_killed_is_no_verdict(own_decoder: Decoder, endless: Path, which: int) -> None:
    """When the machine kills what it likes, as where memory runs out, the recording isn't blamed."""
    job = asyncio.create_task(examine(endless, Recognition(WAV), decoder=own_decoder, limits=LIMITS))
    await until(lambda: own_decoder._server and len(children(server_of(own_decoder))) == 2)
    os.kill(children(server_of(own_decoder))[which], signal.SIGKILL)
    with pytest.raises(DecoderKilled):
        await job


async def test_a_crashed_child_is_told(own_decoder: Decoder, endless: Path) -> None:
    """A child that crashes takes nobody with it."""
    job = asyncio.create_task(examine(endless, Recognition(WAV), decoder=own_decoder, limits=LIMITS))
    await until(lambda: own_decoder._server and len(children(server_of(own_decoder))) == 2)
    os.kill(children(server_of(own_decoder))[1], signal.SIGSEGV)
    with pytest.raises(DecodingFailed, match="decoding it crashed .SIGSEGV."):
        await job


async def test_nothing_outlives_a_killed_parent(endless: Path) -> None:
    """`kill -9` of whoever decodes leaves no server and no child."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, str(BACKEND), str(endless)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        await until(lambda: len(children(server)) == 2)
        begun = [server, *children(server)]
        parent.kill()
    await until(lambda: not any(map(running, begun)))


async def test_many_jobs_run_side_by_side(decoder: Decoder, tmp_path: Path) -> None:
    """Jobs don't wait for each other, and each gets its own answer."""

    async def length(at: int) -> float:
        path = tmp_path / str(at)
        path.write_bytes(recording("flac", seconds=0.1 * at))
        return (await examine(path, Recognition(FLAC), decoder=decoder, limits=LIMITS)).probe.duration_seconds

    durations = await asyncio.gather(*map(length, range(1, 9)))
    assert durations == pytest.approx([0.1 * at for at in range(1, 9)], abs=0.03)
