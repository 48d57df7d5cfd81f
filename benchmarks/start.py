"""How long a start takes, from the command to the first answer that it is ready, on a database that is healthy.

Beside it, by turns, a FastAPI application of thirty lines that asks its database one question before it serves. Only
ratios are worth comparing between machines.
"""

import argparse
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from core.postgres.embedded import join

BACKEND = Path(__file__).parent.parent / "backend"
READY = "/health/ready"
LONGEST_SECONDS = 120
PAUSE_SECONDS = 0.005
HELLO = """
import os
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"))


@asynccontextmanager
async def lifespan(app):
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
"""


@dataclass(frozen=True)
class Start:
    """Seconds until it was ready, and the processor's for it in the server's own process."""

    wall: float
    processor: float

    def beside(self, other: "Start") -> "Start":
        """The ratios to another one's."""
        return Start(self.wall / other.wall, self.processor / other.processor)


def main() -> None:
    """Prints a table: a line for each way to start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7, help="how often each way is timed")
    turns = parser.parse_args().turns
    with tempfile.TemporaryDirectory(prefix="pegasus-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        (folder / "hello.py").write_text(HELLO)
        postgres = join(folder / "given")
        settings = {"DATABASE_URL": postgres.address}
        ways = {
            "hello world": ([sys.executable, str(folder / "hello.py")], settings),
            "a given database": ([sys.executable, "main.py"], settings | {"DATA_PATH": str(folder / "data")}),
            "the embedded one": ([sys.executable, "main.py"], {"DATA_PATH": str(folder / "embedded")}),
        }
        for command, environment in ways.values():  # makes tables, and compiled modules
            start(command, environment)
        starts: dict[str, list[Start]] = {way: [] for way in ways}
        for _ in range(turns):
            for way, (command, environment) in ways.items():
                starts[way].append(start(command, environment))
        postgres.leave()
    print("from the command to the first answer that it is ready; medians, ratios within each turn")
    print(f"{'':>18} {'seconds':>8} {'ratio':>6} | {'processor':>9} {'ratio':>6}")
    for way, each in starts.items():
        turns_of_both = zip(each, starts["hello world"], strict=True)
        seconds, ratio = median(each), median([start.beside(hello) for start, hello in turns_of_both])
        print(f"{way:>18} {seconds.wall:8.2f} {ratio.wall:6.2f} | {seconds.processor:9.2f} {ratio.processor:6.2f}")


def median(starts: list[Start]) -> Start:
    """The middle of each figure."""
    return Start(statistics.median(s.wall for s in starts), statistics.median(s.processor for s in starts))


def start(command: list[str], environment: Mapping[str, str]) -> Start:
    """Starts a server, waits until it is ready, and ends it."""
    port = free_port()
    own = {"ENV_FILE": os.devnull, "HOST": "127.0.0.1", "PORT": str(port), "PYTHONDONTWRITEBYTECODE": ""}
    complete = {**os.environ, **own, **environment}
    begun = time.perf_counter()
    with subprocess.Popen(command, cwd=BACKEND, env=complete, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_ready(process, f"http://127.0.0.1:{port}{READY}")
            return Start(time.perf_counter() - begun, processor_seconds(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)


def wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    """Returns with the first answer of 200."""
    deadline = time.monotonic() + LONGEST_SECONDS
    with httpx.Client(trust_env=False, timeout=LONGEST_SECONDS) as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if client.get(url).status_code == httpx.codes.OK:
                    return
            if process.poll() is not None:
                raise SystemExit("it ended before it was ready")
            time.sleep(PAUSE_SECONDS)
    raise SystemExit("it is never ready")


def processor_seconds(pid: int) -> float:
    """What a process has used so far, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port on which nobody listens just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
