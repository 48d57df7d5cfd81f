"""A place where everything lies, a disk or memory: the servers that run there, seen to keep what they take."""

import asyncio
import filecmp
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.intake import usage
from benchmarks.intake.servers import ServerMissing, start
from benchmarks.intake.trial import Contestant, NothingTaken, load
from benchmarks.live_table import run_sql
from core.postgres.embedded import join

WARM_UP_REQUESTS = 16
WARM_UP_CONNECTIONS = 4
IDLE_SECONDS = 1
# A contestant, its server, and its way in: Pegasus and its rivals.
WAYS_IN = (
    ("Pegasus", "Pegasus", "multipart", "/api/audio/upload"),
    ("Pegasus, tus", "Pegasus", "tus", "/api/uploads"),
    ("Pegasus, tus in one request", "Pegasus", "tus in one", "/api/uploads"),
    ("textbook", "textbook", "multipart", "/upload"),
    ("textbook, fsync", "textbook, fsync", "multipart", "/upload"),
    ("bare", "bare", "multipart", "/upload"),
    ("tuspyserver", "tuspyserver", "tus", "/files"),
    ("nginx", "nginx", "put", "/%t-%d.wav"),
)


@dataclass(frozen=True)
class Place:
    """Contestants ready to be measured, the process of their PostgreSQL, and who is missing, with the reason."""

    contestants: Sequence[Contestant]
    database: int
    missing: Mapping[str, str]


@contextmanager
def opened(folder: Path, *, servers: Sequence[str], recording: Path) -> Iterator[Place]:
    """Starts the servers that are to be had, under `folder`, and ends them with the block.

    Pegasus brings its PostgreSQL; the textbook keeps its rows in the same, in a database of its own.
    """
    with ExitStack() as stack:
        data = folder / "pegasus"
        postgres = join(data)
        stack.callback(postgres.leave)
        asyncio.run(run_sql(postgres.address, "CREATE DATABASE textbook"))
        address = postgres.address.replace("postgresql:", "postgresql+asyncpg:").replace("/pegasus?", "/textbook?")
        running, missing = {}, {}
        for name in servers:
            try:
                running[name] = start(name, folder / name.lower().replace(", ", "-"), database=address, stack=stack)
            except ServerMissing as error:
                missing[name] = str(error)
        contestants = []
        for name, server, way, path in WAYS_IN:
            if server in running:
                try:
                    contestants.append(_warmed_up(Contestant(name, running[server], 0, way, path), recording))
                except NothingTaken as error:
                    missing[name] = _explained(error)
        postmaster = int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        yield Place(contestants, postmaster, missing)


def _warmed_up(contestant: Contestant, recording: Path) -> Contestant:
    """The contestant once it has taken its first recordings, with what it then holds of memory. Raises NothingTaken."""
    load(contestant, file=recording, requests=WARM_UP_REQUESTS, connections=WARM_UP_CONNECTIONS)
    size = recording.stat().st_size
    kept = [path for path in contestant.server.files.rglob("*") if path.is_file() and path.stat().st_size == size]
    if len(kept) < WARM_UP_REQUESTS or not all(filecmp.cmp(path, recording, shallow=False) for path in kept):
        raise SystemExit(f"{contestant.name} doesn't keep what it takes: measuring it would mean nothing.")
    time.sleep(IDLE_SECONDS)
    return replace(contestant, idle_bytes=usage.memory_bytes(usage.tree(contestant.server.pid)))


def _explained(error: NothingTaken) -> str:
    return "is not there yet" if set(error.not_taken) <= {"404", "405"} else str(error)
