"""One trial: a load on one server, and what both sides used for it."""

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.intake import usage
from benchmarks.intake.servers import ROOT, Server

GIB = 1024**3
LIMIT_SECONDS = 300
CLIENT = (sys.executable, "-m", "benchmarks.intake.load")


@dataclass(frozen=True)
class Contestant:
    """A way into, or out of, a server: how it is spoken to, and at which path.

    `%t` in the path becomes another text for every load, and `%d` another number for every request of one.
    """

    name: str
    server: Server
    idle_bytes: int
    way: str
    path: str


@dataclass(frozen=True)
class Trial:
    """What a load took. `database_cpu_seconds` is PostgreSQL's, which isn't in the server's."""

    taken: int
    bytes: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    server_cpu_seconds: float
    database_cpu_seconds: float
    client_cpu_seconds: float
    peak_over_idle_bytes: int
    not_taken: dict[str, int]

    @property
    def megabytes_per_second(self) -> float:
        """Of file contents; a megabyte is a million bytes."""
        return self.bytes / self.seconds / 1e6

    @property
    def requests_per_second(self) -> float:
        """How many were answered well in a second."""
        return self.taken / self.seconds

    def per_gib(self, seconds: float) -> float:
        """Seconds of something for each GiB that went through."""
        return seconds / (self.bytes / GIB)


class NothingTaken(Exception):
    """A server took nothing of a load."""

    def __init__(self, not_taken: dict[str, int], last_body: str) -> None:
        super().__init__(f"took nothing: {not_taken} {last_body[:300]}".rstrip())
        self.not_taken = not_taken


def measure(contestant: Contestant, *, file: Path, requests: int, connections: int, database: int) -> Trial:
    """Loads a server with one file again and again; `database` is PostgreSQL's process. Raises NothingTaken."""
    processes = usage.tree(contestant.server.pid)
    usage.forget_peak(processes)
    before = [usage.cpu_seconds(pid) for pid in (contestant.server.pid, database)]
    told = load(contestant, file=file, requests=requests, connections=connections)
    after = [usage.cpu_seconds(pid) for pid in (contestant.server.pid, database)]
    server, postgres = (now - then for now, then in zip(after, before, strict=True))
    del told["last_body"]
    return Trial(
        server_cpu_seconds=server,
        database_cpu_seconds=postgres,
        peak_over_idle_bytes=usage.peak_bytes(processes) - contestant.idle_bytes,
        **told,
    )


def load(contestant: Contestant, *, file: Path, requests: int = 1, connections: int = 1) -> dict[str, Any]:
    """Runs the client, and answers with what it tells. Raises NothingTaken."""
    counts = ["--requests", str(requests), "--connections", str(connections), "--seconds", str(LIMIT_SECONDS)]
    command = [*CLIENT, "--way", contestant.way, *address(contestant), "--file", str(file), *counts]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, timeout=LIMIT_SECONDS + 60)
    if ran.returncode:
        raise SystemExit(
            f"{contestant.name} can't be reached any more. Its log ends with:\n{contestant.server.log_end}"
        )
    told: dict[str, Any] = json.loads(ran.stdout)
    if not told["taken"]:
        raise NothingTaken(told["not_taken"], told["last_body"])
    return told


def address(contestant: Contestant) -> list[str]:
    """Where a client finds the server."""
    path = contestant.path.replace("%t", secrets.token_hex(4))
    return ["--port", str(contestant.server.port), "--path", path]
