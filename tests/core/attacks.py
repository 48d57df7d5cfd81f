"""What another user of the machine may try on an embedded PostgreSQL: run as a program, it says what succeeded.

Arguments: the number to become, its group, the data folder. It needs nothing that this user couldn't read by itself.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg

PTRACE_SEIZE = 0x4206  # attaches, and doesn't stop what it is attached to


def connect(folder: Path) -> None:
    """Becomes the database's administrator."""

    async def work() -> None:
        connection = await asyncpg.connect(f"postgresql://pegasus:@/pegasus?host={cluster(folder)}", timeout=10)
        await connection.close()

    asyncio.run(work())


def read_password(folder: Path) -> None:
    """Reads the password."""
    (cluster(folder) / "pegasus.pgpass").read_text()


def write_data(folder: Path) -> None:
    """Writes beside the data, or a rule that lets everybody in."""
    (cluster(folder) / "planted").write_text("x")


def list_data(folder: Path) -> None:
    """Lists the folder of the data."""
    list(cluster(folder).iterdir())


def trace(folder: Path) -> None:
    """Attaches to the server as a debugger does."""
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in servers(folder):
        if libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0:
            return
    raise OSError(ctypes.get_errno(), "ptrace")


def read_memory(folder: Path) -> None:
    """Opens the server's memory."""
    _first(servers(folder), lambda pid: Path(f"/proc/{pid}/mem").open("rb").close())


def enter_by_process(folder: Path) -> None:
    """Goes to the data by the working folder of the server."""
    _first(servers(folder), lambda pid: (Path(f"/proc/{pid}/cwd") / "PG_VERSION").read_text())


def disturb(folder: Path) -> None:
    """Sends the server a signal."""
    _first(servers(folder), lambda pid: os.kill(pid, signal.SIGURG))


def read_shared_memory(folder: Path) -> None:
    """Opens the server's shared memory."""
    theirs = {Path(f"/proc/{pid}").stat().st_uid for pid in servers(folder)}
    segments = (path for path in Path("/dev/shm").glob("PostgreSQL.*") if path.stat().st_uid in theirs)
    _first(segments, lambda path: path.read_bytes())


ATTACKS = (
    connect,
    read_password,
    write_data,
    list_data,
    trace,
    read_memory,
    enter_by_process,
    disturb,
    read_shared_memory,
)


def cluster(folder: Path) -> Path:
    """Where the data is, or is being made."""
    return next((making / "postgres" for making in folder.glob("postgres.new.*")), folder / "postgres")


def servers(folder: Path) -> Iterator[int]:
    """The processes of PostgreSQL in a folder."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{folder}/postgres".encode() in command and b"postgres/guard.py" not in command:
            yield int(entry.name)


def _first(things: Iterator[Any], attempt: Callable[[Any], object]) -> None:
    problem = OSError("there is nothing to attack")
    for thing in things:
        try:
            attempt(thing)
        except OSError as error:
            problem = error
        else:
            return
    raise problem


def main(uid: int, gid: int, folder: Path) -> None:
    """Becomes that user, tries everything, and prints what succeeded."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    succeeded = []
    for attack in ATTACKS:
        try:
            attack(folder)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            continue
        succeeded.append(attack.__name__)
    print(json.dumps(succeeded))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
