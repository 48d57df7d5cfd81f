"""The longest that an insert waits while a table of many rows gets two columns and two indexes, by two ways.

One is `alembic upgrade head`, the other is a heal of the same database. A writer inserts all the time, one row after
the other; every insert has to go through. Only the ratio is worth comparing between machines.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from core.postgres.embedded import join

ROOT = Path(__file__).parent.parent
FILL = """
INSERT INTO audio_files (id, filename, file_path, user_id, upload_timestamp, processing_status, created_at, updated_at)
SELECT gen_random_uuid(), n || '.wav', '2024/01/' || n || '.wav', 'user' || n % 1000, now() AT TIME ZONE 'UTC',
       'completed', now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
FROM generate_series(1, $1::int) n
"""
INSERT = """
INSERT INTO audio_files (id, filename, file_path, user_id, upload_timestamp, processing_status)
VALUES (gen_random_uuid(), 'new.wav', 'new/' || gen_random_uuid(), 'user1', now() AT TIME ZONE 'UTC', 'uploaded')
"""
WAYS = {
    "alembic upgrade head": ("alembic", "upgrade", "head"),
    "reconcile heal": ("reconcile", "heal"),
}


@dataclass(frozen=True)
class Measured:
    """How long a way took, how many rows were inserted meanwhile, and the longest that one of them waited."""

    seconds: float
    inserted: int
    failed: int
    longest_stall_seconds: float


def main() -> None:
    """Prints a line for each way, and how their longest stalls compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="rows in the table; the published figure has 2000000")
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="pegasus-bench-") as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        server = join(Path(folder))
        asyncio.run(compare(server.address, rows))
        server.leave()


async def compare(server: str, rows: int) -> None:
    """Measures both ways on copies of one table."""
    await make_table(server, rows)
    print(f"{rows} rows, a writer inserting all the time")
    print(f"{'':20} {'took':>8} {'inserts':>8} {'failed':>7} {'longest stall':>14}")
    found = {}
    for name, command in WAYS.items():
        async with copy_of_table(server) as address:
            found[name] = await measure(address, command)
        print(shown(name, found[name]), flush=True)
    theirs, ours = (measured.longest_stall_seconds for measured in found.values())
    print(f"The longest stall under a heal is {ours / theirs:.3f} of that under a plain upgrade.")


def shown(name: str, measured: Measured) -> str:
    """A line of the table."""
    return (
        f"{name:20} {measured.seconds:7.1f}s {measured.inserted:8} {measured.failed:7}"
        f" {measured.longest_stall_seconds * 1000:12.0f}ms"
    )


async def make_table(server: str, rows: int) -> None:
    """A database `live` at revision 001, with rows."""
    await run_sql(server, "CREATE DATABASE live")
    address = server.replace("/pegasus?", "/live?")
    await run(address, ("alembic", "upgrade", "001"))
    await run_sql(address, FILL, rows)
    await run_sql(address, "VACUUM ANALYZE audio_files")


@contextlib.asynccontextmanager
async def copy_of_table(server: str) -> AsyncIterator[str]:
    """A copy of that database, the same for each way."""
    await run_sql(server, "CREATE DATABASE copy TEMPLATE live STRATEGY file_copy")
    await run_sql(server, "CHECKPOINT")
    yield server.replace("/pegasus?", "/copy?")
    await run_sql(server, "DROP DATABASE copy WITH (FORCE)")


async def measure(address: str, command: tuple[str, ...]) -> Measured:
    """Runs a command while rows are inserted, and a second longer on either side."""
    writer = Writer(address)
    writing = asyncio.create_task(writer.write())
    await asyncio.sleep(1)
    start = time.perf_counter()
    await run(address, command)
    seconds = time.perf_counter() - start
    await asyncio.sleep(1)
    writer.stopped = True
    await writing
    return Measured(seconds, writer.inserted, writer.failed, writer.longest)


class Writer:
    """Inserts one row after the other on one connection until it is stopped."""

    def __init__(self, address: str) -> None:
        self.stopped = False
        self.inserted = self.failed = 0
        self.longest = 0.0
        self._address = address

    async def write(self) -> None:
        """Inserts, and keeps the longest time that an insert took."""
        connection = await asyncpg.connect(self._address)
        while not self.stopped:
            start = time.perf_counter()
            try:
                await connection.execute(INSERT)
                self.inserted += 1
            except asyncpg.PostgresError:
                self.failed += 1
            self.longest = max(self.longest, time.perf_counter() - start)
        await connection.close()


async def run_sql(address: str, statement: str, *arguments: object) -> None:
    """Runs one statement on a connection of its own."""
    connection = await asyncpg.connect(address)
    await connection.execute(statement, *arguments)
    await connection.close()


async def run(address: str, command: tuple[str, ...]) -> None:
    """Runs `python -m` something on our own chain in this database."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "backend"), "ENV_FILE": os.devnull, "DATABASE_URL": address}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, cwd=ROOT, env=environment, stdout=PIPE, stderr=STDOUT
    )
    told, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{told.decode()}")


if __name__ == "__main__":
    main()
