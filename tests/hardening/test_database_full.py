"""The database's disk is full: told as that and not ready, nothing acknowledged lost, and well again with room.

The disk is a small tmpfs, which only root may mount: for other users there is nothing here to run.
"""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import asyncpg
import httpx
import pytest

from core.postgres.embedded import EmbeddedPostgres, join
from tests.api.test_main import Run, forked
from tests.api.uploads.test_tus import BYTES, TUS, b64
from tests.audio.samples import recording
from tests.conftest import RunSql, fresh_database

MOUNTS = os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0
WAV = recording("wav")[:20_000]

if MOUNTS:

    @pytest.fixture
    def disk() -> Iterator[Path]:
        """A folder with little room."""
        with tempfile.TemporaryDirectory(prefix="pegasus-") as folder:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m,mode=711", "none", folder], check=True)
            yield Path(folder)
            while subprocess.run(["umount", "--quiet", folder], check=False).returncode:
                time.sleep(0.1)

    @pytest.fixture
    def postgres(disk: Path) -> Iterator[EmbeddedPostgres]:
        """A PostgreSQL on it."""
        server = join(disk)
        yield server
        server.leave()

    @pytest.fixture
    async def database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
        """A database in it."""
        async with fresh_database(postgres.address, template="template0") as address:
            yield address

    @pytest.fixture
    def server(database: str, tmp_path: Path) -> Iterator[Run]:
        """A server that uses it, in a process of its own."""
        with forked(tmp_path, DATABASE_URL=database, OPEN_UPLOADS="1000") as run:
            run.url()
            yield run

    @pytest.fixture
    async def client(server: Run) -> AsyncIterator[httpx.AsyncClient]:
        """A client of it."""
        limits = httpx.Limits(max_keepalive_connections=0)  # the server could be ending an idle one
        async with httpx.AsyncClient(base_url=server.url(), timeout=60, limits=limits) as client:
            yield client

    def fill(disk: Path) -> Path:
        """Leaves no room on the disk."""
        filling = disk / "filling"
        with filling.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return filling

    @dataclass
    class Traffic:
        """Recordings that come in, by form and by tus, are relabelled, listed and deleted."""

        client: httpx.AsyncClient
        acknowledged: set[str] = field(default_factory=set)
        refused: set[str] = field(default_factory=set)

        async def go_on(self) -> None:
            """Asks for much at once; whatever can't be done now is told as that, and when to come again."""
            answers = await asyncio.gather(*(self._upload(way) for way in ("form", "tus") * 10))
            for answer in answers:
                if answer.is_success:
                    self.acknowledged.add(answer.headers.get("upload-recording-id") or answer.json()["id"])
            some = sorted(self.acknowledged)[:2]
            answers += await asyncio.gather(
                *(self.client.put(f"/api/audio/{one}/tags", json={"tag": "y" * 90}) for one in some),
                self.client.get("/api/audio/"),
                self.client.get("/api/audio/", params={"q": "yyy"}),
            )
            for answer in answers:
                if not answer.is_success:
                    self._note(answer)

        def _note(self, answer: httpx.Response) -> None:
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), (
                answer.text
            )
            assert int(answer.headers["retry-after"]) > 0
            assert "postgres" not in answer.text
            self.refused.add(answer.json()["type"].removeprefix("urn:pegasus:problem:"))

        async def _upload(self, way: str) -> httpx.Response:
            if way == "form":
                return await self.client.post(
                    "/api/audio/upload", files={"file": ("a.wav", WAV)}, data={"tag": "x" * 90, "user_id": "u" * 200}
                )
            told = TUS | BYTES | {"Upload-Length": str(len(WAV)), "Upload-Metadata": f"tag {b64('x' * 90)}"}
            return await self.client.post("/api/uploads", content=WAV, headers=told)

        async def is_ready(self) -> bool:
            """Whether the server takes itself for ready."""
            return (await self.client.get("/health/ready")).status_code == 200

        async def until_ready(self) -> None:
            """Waits for that; the test's own timeout says when it never comes."""
            while not await self.is_ready():
                await asyncio.sleep(0.05)

    async def end_postgres(admin: asyncpg.Connection) -> None:
        """Lets PostgreSQL want more and more room for its log, until it ends because there is none."""
        while not admin.is_closed():
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await admin.execute("SELECT pg_logical_emit_message(true, '', repeat('x', 20000000))")

    @pytest.mark.timeout(600)
    async def test_the_databases_disk_is_full(
        client: httpx.AsyncClient, server: Run, disk: Path, database: str, run_sql: RunSql, tmp_path: Path
    ) -> None:
        """Every request is answered that the database can't now, nothing that was acknowledged is lost, and in place
        all goes on once there is room: where rows find none, and where PostgreSQL can't even run.
        """
        admin = await asyncpg.connect(database)
        traffic = Traffic(client)
        await traffic.go_on()
        assert (traffic.refused, await traffic.is_ready()) == (set(), True)
        for ended in (False, True):
            filling = fill(disk)
            traffic.refused.clear()
            if ended:
                await asyncio.gather(end_postgres(admin), *(traffic.go_on() for _ in range(3)))
            for _ in range(8):
                await traffic.go_on()
                assert not await traffic.is_ready()
            assert ("database-unavailable" if ended else "database-full") in traffic.refused
            filling.unlink()
            await traffic.until_ready()
            traffic.refused.clear()
            await traffic.go_on()
            assert traffic.refused == set()
        rows = await run_sql("SELECT id::text, file_path FROM audio_files")
        assert traffic.acknowledged <= {row["id"] for row in rows}
        assert all((tmp_path / "recordings" / row["file_path"]).read_bytes() == WAV for row in rows)
        log = server.events()
        assert not [line for line in log if "exception" in line]
        said: dict[tuple[object, object], list[datetime]] = {}
        for line in log:
            if line["event"] in {"request failed", "not ready"}:
                moment = datetime.fromisoformat(str(line["timestamp"]))
                said.setdefault((line["event"], line["reason"]), []).append(moment)
        full = f"The database at {disk}/postgres has no room left on its disk."
        assert {("request failed", full), ("not ready", full)} <= set(said)
        for moments in said.values():
            assert all(later - earlier > timedelta(seconds=59) for earlier, later in pairwise(moments))
