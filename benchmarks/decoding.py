"""What a probe with its waveform costs, beside `ffmpeg -f null` decoding the same file once; and recordings a minute.

Both by turns in one run; the lowest of each counts, since whatever else the machine does only adds. Where FFmpeg isn't
installed the same decoding through PyAV, without the peaks, stands in for it.
"""

import argparse
import asyncio
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from audio.model.recognition import Recognition, recognise_file
from audio.processing.decoding import Decoder, DecodingLimits
from audio.processing.probing import examine
from tests.audio.samples import recording

NAMES = (
    "wav",
    "mp3",
    "m4a",
    "m4a lossless",
    "ogg opus",
    "ogg vorbis",
    "flac",
    "webm live",
    "aac",
    "amr",
    "aiff",
    "wma",
)
FFMPEG = shutil.which("ffmpeg")
PLAIN = (
    "import av, sys; c = av.open(sys.argv[1]); c.streams.audio[0].codec_context.thread_count = 1;"
    " sum(f.samples for f in c.decode(audio=0))"
)
LIMITS = DecodingLimits(cpu_seconds=600, wall_seconds=3600)
MEMO_SECONDS = 60.0


async def main() -> None:
    """Prints a line for each format, then the throughput."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long each recording is")
    parser.add_argument("--turns", type=int, default=3, help="how often each way is measured")
    parser.add_argument("--memos", type=int, default=60, help="how many recordings of a minute are examined")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pegasus-bench-") as folder:
        print(f"CPU seconds for an hour of audio, beside {'ffmpeg -f null' if FFMPEG else 'PyAV decoding alone'}")
        print(f"{'format':>14} {'examine':>8} {'decode':>8} {'ratio':>6} {'peak MiB':>9}")
        for name in NAMES:
            path = Path(folder) / name.replace(" ", "-")
            path.write_bytes(recording(name, seconds=told.minutes * 60, levels=levels()))
            print(f"{name:>14} {await line(path, hours=told.minutes / 60, turns=told.turns)}", flush=True)
            path.unlink()
        memo = Path(folder) / "memo"
        memo.write_bytes(recording("webm live", seconds=MEMO_SECONDS, levels=levels()))
        print("recordings of a minute (webm), examined in a minute")
        print(
            f"  as served, {os.cpu_count()} at once: {await rate(memo, told.memos, at_once=os.cpu_count() or 1):6.0f}"
        )
        print(f"  as served, one by one: {await rate(memo, told.memos, at_once=1):6.0f}")
        print(f"  each with a server of its own: {await rate(memo, told.memos // 4, at_once=1, anew=True):6.0f}")


def levels() -> tuple[float, ...]:
    """The loudness of something like speech."""
    chance = random.Random(1)
    return tuple(chance.choice((0.0, 0.02, 0.1, 0.3, 0.6)) for _ in range(997))


async def line(path: Path, *, hours: float, turns: int) -> str:
    """Measures both ways by turns."""
    ours, theirs, peak = [], [], 0
    async with Decoder() as decoder:
        for _ in range(turns):
            used = (await examine(path, recognition_of(path), decoder=decoder, limits=LIMITS)).used
            ours.append(used.cpu_seconds / hours)
            peak = max(peak, used.peak_memory_bytes)
            theirs.append(decoded(path) / hours)
    return f"{min(ours):8.2f} {min(theirs):8.2f} {min(ours) / min(theirs):6.2f} {peak / 1024**2:9.0f}"


def decoded(path: Path) -> float:
    """The CPU seconds of a whole command that only decodes."""
    plain = [sys.executable, "-c", PLAIN, str(path)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([FFMPEG, "-v", "error", "-i", str(path), "-f", "null", "-"] if FFMPEG else plain, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def rate(path: Path, count: int, *, at_once: int, anew: bool = False) -> float:
    """How many are examined in a minute."""
    room = asyncio.Semaphore(at_once)
    async with Decoder() as decoder:
        await examine(path, recognition_of(path), decoder=decoder, limits=LIMITS)

        async def one() -> None:
            async with room:
                if anew:
                    await decoder.stop()
                await examine(path, recognition_of(path), decoder=decoder, limits=LIMITS)

        begin = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return count / (time.perf_counter() - begin) * 60


def recognition_of(path: Path) -> Recognition:
    """What an upload of it would be taken for."""
    with path.open("rb") as file:
        return recognise_file(file)


if __name__ == "__main__":
    asyncio.run(main())
