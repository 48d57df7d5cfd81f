"""Processes that use the embedded PostgreSQL, and a PostgreSQL that asks for a password."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from core.postgres.account import ENVIRONMENT, account_of
from core.postgres.binaries import find_binaries
from core.postgres.cluster import make_cluster, ready_socket_folder, serving_command

collect_ignore = [] if os.geteuid() == 0 else ["test_postgres_account.py"]  # only root can be another user
BACKEND = Path(__file__).parents[2] / "backend"
USE = """
import sys
from pathlib import Path
from core.postgres.embedded import join
print(join(Path(sys.argv[1])).address, flush=True)
sys.stdin.read()
"""

ONE_LINER = """
import asyncio
from core.database import async_session
async def test():
    async with async_session() as session:
        print('✅ Database connection works!')
asyncio.run(test())
"""


class User:
    """A process that uses the PostgreSQL in a folder until its standard input ends."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USE, str(folder)],
            cwd=BACKEND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def address(self) -> str:
        """Where the database is, once it is there."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def finish(self) -> str:
        """Ends as a script does, and answers with the last line that it said to a person."""
        _, said = self.process.communicate()
        return (said.splitlines() or [""])[-1]


def running_in(folder: Path) -> dict[int, str]:
    """The processes that belong to a folder's PostgreSQL: "guard" or "server" by their number."""
    commands = {pid: command for pid, command in _processes() if f"{folder}/postgres" in command}
    return {pid: "guard" if "postgres/guard.py" in command else "server" for pid, command in commands.items()}


def _processes() -> Iterator[tuple[int, str]]:
    if Path("/proc/self/cmdline").exists():
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                yield int(entry.name), (entry / "cmdline").read_bytes().decode(errors="replace")
        return
    listed = subprocess.run(["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command


def kill(folder: Path, *kinds: str) -> None:
    """Kills a folder's guard or server, or both, in a way that nothing can prevent, and returns once they are gone.

    On a busy machine that takes a moment, in which a server's socket still takes connections.
    """
    killed = [pid for pid, kind in running_in(folder).items() if kind in kinds]
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):  # the others end with the first
            os.kill(pid, signal.SIGKILL)
    while not running_in(folder).keys().isdisjoint(killed):
        time.sleep(0.01)


def eventually(holds: Callable[[], bool]) -> None:
    """Waits until something holds; the test's own timeout says when it never does."""
    while not holds():
        time.sleep(0.02)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder, not there yet, that every user of the machine can reach; at the end nothing runs there."""
    with tempfile.TemporaryDirectory(prefix="pegasus-") as parent:
        Path(parent).chmod(0o711)
        yield Path(parent).resolve() / "data"
        left = running_in(Path(parent).resolve() / "data")
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert left == {}


@pytest.fixture
def use(folder: Path) -> Iterator[Callable[..., User]]:
    """Starts processes that use the PostgreSQL in the test's folder, or in another one."""
    users: list[User] = []

    def start(where: Path = folder) -> User:
        users.append(User(where))
        return users[-1]

    yield start
    for user in users:
        user.process.communicate()


@pytest.fixture(scope="session")
def guarded_server() -> Iterator[str]:
    """`host:port` of a PostgreSQL on TCP that asks for passwords; `pegasus:top%2Fsecret` is its administrator."""
    with tempfile.TemporaryDirectory(prefix="pegasus-") as parent, socket.socket() as reserved:
        Path(parent).chmod(0o711)
        cluster = Path(parent).resolve() / "postgres"
        binaries, major = find_binaries()
        make_cluster(cluster, binaries=binaries, major=major)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        reserved.close()
        yield from _served(cluster, binaries=binaries, port=port)


async def _set_password(address: str) -> None:
    connection = await asyncpg.connect(address)
    await connection.execute("ALTER ROLE pegasus PASSWORD 'top/secret'")
    await connection.close()


def _served(cluster: Path, *, binaries: Path, port: int) -> Iterator[str]:
    account = account_of(cluster)
    (cluster / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    command = serving_command(cluster, binaries=binaries, account=account)
    server = subprocess.Popen(
        [*command, "-p", str(port), "-c", "listen_addresses=127.0.0.1"],
        cwd="/",
        env=ENVIRONMENT,
        stderr=subprocess.DEVNULL,
        **account.options(),
    )
    eventually(lambda: ready_socket_folder(cluster) is not None)
    asyncio.run(_set_password(f"postgresql://pegasus@/pegasus?host={ready_socket_folder(cluster)}&port={port}"))
    yield f"127.0.0.1:{port}"
    server.send_signal(signal.SIGINT)
    server.wait()
