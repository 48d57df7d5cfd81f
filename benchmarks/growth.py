"""What uploads, heals and decoding cost as work grows: by server processes, rows, and hours of sound.

Run by `make bench-growth`, which then draws docs/growth-*.svg from what this prints as JSON. Each series is measured by
turns, its first point is 1, and only the ratios are worth comparing between machines.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from audio.model.recognition import recognise_file
from audio.processing.decoding import Decoder
from audio.processing.probing import examine
from benchmarks import live_table
from benchmarks.decoding import LIMITS
from benchmarks.intake.scale import KIB, write_recording
from benchmarks.processing import running, until_ready
from benchmarks.scale import fill
from core.postgres.embedded import join
from tests.audio.samples import repeat

ROOT = Path(__file__).parent.parent
MEMORY = Path("/dev/shm")
ROW_BYTES = 1500
UPLOAD_BYTES = 64 * KIB
CONNECTIONS = 32
PROCESSES = (1, 2, 4)
HOURS = (1, 6, 24)
ALWAYS = {"PROCESSING": "off", "UPLOADS_PER_MINUTE": "0", "LOG_LEVEL": "ERROR"}


@dataclass(frozen=True)
class Series:
    """Medians by what grows."""

    title: str
    growing: str
    measured: str
    points: dict[int, float]

    @property
    def ratios(self) -> dict[int, float]:
        """Each point beside the first."""
        first = next(iter(self.points.values()))
        return {size: value / first for size, value in self.points.items()}

    def __str__(self) -> str:
        """A line for each point."""
        lines = [f"  {size:>12,}  {self.points[size]:12.4g}  {ratio:8.3f}" for size, ratio in self.ratios.items()]
        return "\n".join([f"{self.title}: {self.measured} by {self.growing}, and beside the first", *lines])


def main() -> None:
    """Prints each series, and writes all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="most rows; 10000000 take an hour, and 16 GB")
    parser.add_argument("--heal-rows", type=int, default=2_000_000, help="most rows of the table that is healed")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of uploads")
    parser.add_argument("--uploads", type=int, default=512, help="uploads a round")
    parser.add_argument("--hours", type=int, default=max(HOURS), help="the longest recording")
    parser.add_argument("--json", type=Path, default=ROOT / "data" / "growth.json", help="where to write them")
    given = parser.parse_args()
    rows = [10**power for power in range(3, 8) if 10**power <= given.rows]
    heal_rows = [given.heal_rows // factor for factor in (100, 10, 1)]
    measurements: list[Callable[[], Series]] = [
        lambda: uploads_by_processes(given.repeats, given.uploads),
        lambda: uploads_by_rows(rows, given.repeats, given.uploads),
        lambda: heals_by_rows(heal_rows),
        lambda: decoding_by_hours([hours for hours in HOURS if hours <= given.hours]),
    ]
    series = []
    for measure in measurements:
        series.append(measure())
        print(f"{series[-1]}\n", flush=True)
    given.json.parent.mkdir(exist_ok=True)
    given.json.write_text(json.dumps({one.title: vars(one) for one in series}, indent=1), encoding="utf-8")


def uploads_by_processes(repeats: int, uploads: int) -> Series:
    """Servers with more and more processes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pegasus-bench-", dir=MEMORY)))
        urls = {
            number: stack.enter_context(running(_room(folder, number), WORKERS=str(number), **ALWAYS))
            for number in PROCESSES
        }
        points = asyncio.run(_by_turns(urls, folder, repeats=repeats, uploads=uploads))
    return Series("processes", "server processes", "uploads a second", points)


def uploads_by_rows(rows: Sequence[int], repeats: int, uploads: int) -> Series:
    """Servers with more and more recordings in their tables, each in the search index."""
    with ExitStack() as stack:
        place = MEMORY if shutil.disk_usage(MEMORY).free > sum(rows) * ROW_BYTES else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pegasus-bench-", dir=place)))
        urls = {}
        for number in rows:
            server = join(_room(folder, number))
            stack.callback(server.leave)
            asyncio.run(fill(server.address, number))
            urls[number] = stack.enter_context(running(_room(folder, number), **ALWAYS))
        points = asyncio.run(_by_turns(urls, folder, repeats=repeats, uploads=uploads))
    return Series("rows", "recordings in the table", "uploads a second", points)


def heals_by_rows(rows: Sequence[int]) -> Series:
    """How long a heal takes that brings two columns and two indexes to a live table."""
    points = {}
    for number in rows:
        with tempfile.TemporaryDirectory(prefix="pegasus-bench-") as folder:
            server = join(_room(Path(folder), number))
            points[number] = asyncio.run(_heal(server.address, number))
            server.leave()
    return Series("heals", "recordings in the table", "seconds", points)


def decoding_by_hours(hours: Sequence[int]) -> Series:
    """Longer and longer recordings, examined in one pass."""
    return Series("hours", "hours of sound", "seconds of processor time", asyncio.run(_decode(hours)))


def _room(folder: Path, number: int) -> Path:
    folder.chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
    room = folder / str(number)
    room.mkdir(mode=0o711, exist_ok=True)
    return room


async def _by_turns(urls: dict[int, str], folder: Path, *, repeats: int, uploads: int) -> dict[int, float]:
    file = write_recording(folder / "memo.wav", size=UPLOAD_BYTES, noise=os.urandom(UPLOAD_BYTES))
    for url in urls.values():
        async with httpx.AsyncClient(base_url=url) as client:
            await until_ready(client)
        _upload(url, file, uploads=CONNECTIONS)
    rates: dict[int, list[float]] = {number: [] for number in urls}
    for _ in range(repeats):
        for number, url in urls.items():
            rates[number].append(_upload(url, file, uploads=uploads))
    return {number: statistics.median(measured) for number, measured in rates.items()}


def _upload(url: str, file: Path, *, uploads: int) -> float:
    """How many uploads a second a server takes."""
    where = ["--port", str(urlsplit(url).port), "--path", "/api/audio/upload", "--file", str(file)]
    counts = ["--requests", str(uploads), "--connections", str(CONNECTIONS), "--seconds", "300"]
    command = [sys.executable, "-m", "benchmarks.intake.load", "--way", "multipart", *where, *counts]
    answer = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    if answer["taken"] != uploads:
        raise SystemExit(f"Not all was taken: {answer['not_taken']}")
    return uploads / float(answer["seconds"])


async def _heal(address: str, rows: int) -> float:
    await live_table.make_table(address, rows)
    async with live_table.copy_of_table(address) as copy:
        return (await live_table.measure(copy, live_table.WAYS["reconcile heal"])).seconds


async def _decode(hours: Sequence[int]) -> dict[int, float]:
    points = {}
    with tempfile.TemporaryDirectory(prefix="pegasus-bench-") as folder:
        path = Path(folder) / "recording"
        async with Decoder() as decoder:
            for number in hours:
                repeat("ogg opus", path, hours=number)
                with path.open("rb") as file:
                    recognition = recognise_file(file)
                points[number] = (await examine(path, recognition, decoder=decoder, limits=LIMITS)).used.cpu_seconds
    return points


if __name__ == "__main__":
    main()
