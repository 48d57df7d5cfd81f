"""How many recordings a worker takes to completed in a minute, and what a busy one inside the server costs uploads.

Servers run by turns: one that only takes recordings in, and one that works on them meanwhile, with a backlog of an
hour's recordings so that it is never idle. Only ratios are worth comparing between machines.
"""

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.intake.servers import ROOT, free_port
from core.settings import Settings
from tests.audio.samples import recording

START_SECONDS = 60


@contextmanager
def running(folder: Path, *command: str, **settings: str) -> Iterator[str]:
    """`python main.py` with its own PostgreSQL in the folder, and where it answers."""
    ours, port = {name.upper() for name in Settings.model_fields}, str(free_port())
    environment = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    told = {"ENV_FILE": os.devnull, "DATA_PATH": str(folder), "PORT": port, "LOG_LEVEL": "ERROR"}
    process = subprocess.Popen(
        [sys.executable, "main.py", *command], cwd=ROOT / "backend", env=environment | told | settings
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


async def until_ready(client: httpx.AsyncClient) -> None:
    """Waits until the server takes requests."""
    while True:
        try:
            if (await client.get("/health/ready")).is_success:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)


async def upload(client: httpx.AsyncClient, content: bytes) -> float:
    """Uploads a recording, and answers how long that took, in seconds."""
    began = time.perf_counter()
    answer = await client.post("/api/audio/upload", files={"file": ("memo.wav", content)})
    answer.raise_for_status()
    return time.perf_counter() - began


async def count(client: httpx.AsyncClient, status: str) -> int:
    """How many recordings are in that state."""
    total: int = (await client.get("/api/audio", params={"status": status, "limit": 1})).json()["total"]
    return total


async def throughput(folder: Path, *, recordings: int) -> None:
    """Prints how many recordings a worker alone completes in a minute."""
    content = recording("ogg opus", seconds=60)
    with running(folder, PROCESSING="off") as url:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            await until_ready(client)
            for _ in range(recordings):
                await upload(client, content)
            with running(folder, "worker"):
                while not await count(client, "completed"):  # from the first on, so that its start doesn't count
                    await asyncio.sleep(0.02)
                began, first = time.perf_counter(), await count(client, "completed")
                while await count(client, "uploaded"):
                    await asyncio.sleep(0.1)
                took = time.perf_counter() - began
    print(f"A worker alone: {(recordings - first) / took * 60:.0f} recordings of a minute (Opus) in a minute")


async def uploads(folder: Path, *, processing: str, seconds: float, backlog: int) -> list[float]:
    """How long small uploads took, in seconds, one after the other on two connections."""
    small, long = recording("wav"), recording("ogg opus", seconds=60)
    with running(folder, PROCESSING=processing) as url:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            await until_ready(client)
            for _ in range(backlog):
                await upload(client, long)
            end = time.perf_counter() + seconds

            async def stream() -> list[float]:
                took = []
                while time.perf_counter() < end:
                    took.append(await upload(client, small))
                    await asyncio.sleep(0.02)
                return took

            found = await asyncio.gather(stream(), stream())
            if processing == "inline" and not await count(client, "uploaded"):
                raise SystemExit("The worker was idle at the end: a larger --backlog is needed.")
    return sorted(found[0] + found[1])


def main() -> None:
    """Prints both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--backlog", type=int, default=150)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    with tempfile.TemporaryDirectory(prefix="pegasus-") as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        asyncio.run(throughput(Path(folder) / "throughput", recordings=given.recordings))
        ratios = []
        for at in range(given.rounds):
            p99 = {}
            for processing in ("off", "inline") if at % 2 else ("inline", "off"):
                took = asyncio.run(
                    uploads(
                        Path(folder) / f"{at}{processing}",
                        processing=processing,
                        seconds=given.seconds,
                        backlog=given.backlog,
                    )
                )
                p99[processing] = took[int(len(took) * 0.99)]
                print(
                    f"{processing:7} {len(took):5} uploads, median {statistics.median(took) * 1000:6.1f} ms,"
                    f" p99 {p99[processing] * 1000:6.1f} ms",
                    flush=True,
                )
            ratios.append(p99["inline"] / p99["off"])
    print(f"p99 with a busy worker inside, against none: {statistics.median(ratios):.2f} times (median of the rounds)")


if __name__ == "__main__":
    main()
