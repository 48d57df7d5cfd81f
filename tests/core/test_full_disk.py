"""The embedded PostgreSQL on a disk that is full: told in a sentence, and mended by making room.

The disk is a small tmpfs, which only root may mount: for other users there is nothing here to run.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from core.errors import EmbeddedPostgresProblem
from core.postgres.embedded import join

from .conftest import eventually

MOUNTS = os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0

if MOUNTS:

    @pytest.fixture
    def small_disk(folder: Path) -> Iterator[Path]:
        """A folder with 90 MB."""
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90m,mode=711", "none", str(folder)], check=True)
        yield folder
        unmount = ["umount", "--quiet", str(folder)]  # busy until the last process is quite gone
        eventually(lambda: subprocess.run(unmount, stderr=subprocess.DEVNULL, check=False).returncode == 0)

    def fill(disk: Path) -> Path:
        file = disk / "filling"
        with file.open("wb", buffering=0) as filling:
            try:
                while True:
                    filling.write(bytes(4096))
            except OSError:
                return file

    async def insert_until_refused(connection: asyncpg.Connection) -> int:
        committed = 0
        try:
            while True:
                await connection.execute("INSERT INTO kept SELECT generate_series(1, 10000)")
                committed += 10000
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return committed

    def test_full_at_the_first_start(small_disk: Path) -> None:
        """A first start without room says so, leaves nothing, and works once there is room."""
        filling = small_disk / "filling"
        filling.write_bytes(bytes(60_000_000))
        with pytest.raises(EmbeddedPostgresProblem, match=f"the disk that holds {small_disk} is full. Make room"):
            join(small_disk)
        assert not list(small_disk.glob("postgres*/"))
        filling.unlink()
        join(small_disk).leave()

    def test_full_at_a_later_start(small_disk: Path) -> None:
        """A start without room says so, and works once there is room."""
        join(small_disk).leave()
        filling = fill(small_disk)
        with pytest.raises(EmbeddedPostgresProblem, match=f"the disk that holds {small_disk} is full. Make room"):
            join(small_disk)
        filling.unlink()
        join(small_disk).leave()

    async def test_full_while_in_use(small_disk: Path) -> None:
        """A server whose disk fills up loses nothing that was committed, and works once there is room."""
        server = join(small_disk)
        connection = await asyncpg.connect(server.address)
        await connection.execute("CREATE TABLE kept (number int)")
        filling = fill(small_disk)
        committed = await insert_until_refused(connection)
        connection.terminate()
        filling.unlink()
        eventually(lambda: join(small_disk) is server)
        connection = await asyncpg.connect(server.address)
        assert await connection.fetchval("SELECT count(*) FROM kept") == committed
        await connection.close()
        server.leave()
