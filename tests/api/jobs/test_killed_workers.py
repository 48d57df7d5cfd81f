"""Workers that are killed and databases that crash, while recordings come in: each recording ends completed, once."""

import asyncio
import json
import random
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.application import create_app
from audio.model.artifacts import artifacts
from core.postgres.embedded import join
from core.settings import Settings, load_settings
from tests.api.conftest import Started
from tests.api.processing import ended, no_jobs, worker
from tests.audio.samples import recording
from tests.core.conftest import folder, kill
from tests.stored import Stored

__all__ = ["folder"]  # a fixture
AWAY = (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InterfaceError)
KINDS = ("wav", "amr", "webm live")
TOLD = [("created", "uploaded"), ("examined", "uploaded"), ("progressed", "transcribing"), ("progressed", "completed")]


@dataclass
class House:
    """A server on a PostgreSQL of its own, which may be killed."""

    folder: Path
    settings: Settings
    client: httpx.AsyncClient
    uploaded: list[dict[str, Any]] = field(default_factory=list)

    async def run_sql(self, statement: str, *arguments: object) -> list[Any]:
        """The rows that a statement returns; a database that is away is waited for."""
        while True:
            try:
                connection = await asyncpg.connect(join(self.folder).address)
                try:
                    return await connection.fetch(statement, *arguments)
                finally:
                    await connection.close()
            except AWAY:
                await asyncio.sleep(0.1)

    async def upload(self, kind: str) -> None:
        """Uploads a recording, again and again under the same key until it is taken."""
        content, key = {"file": ("memo", recording(kind))}, {"Idempotency-Key": uuid4().hex}
        while (answer := await self.client.post("/api/audio/upload", files=content, headers=key)).status_code != 200:
            assert answer.status_code in {409, 503}, answer.text
            await asyncio.sleep(0.1)
        self.uploaded.append(answer.json())

    async def crash(self) -> None:
        """Kills PostgreSQL, and starts it anew."""
        kill(self.folder, "server")
        await self.run_sql("SELECT 1")
        while (await self.client.get("/api/audio")).status_code != 200:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def house(folder: Path, *, processing: str) -> AsyncIterator[House]:
    """A house in the folder."""
    settings = load_settings(data_path=folder, port=0, database_url=join(folder).address, processing=processing)
    application = create_app(settings)
    async with application.router.lifespan_context(application) as state:
        transport = httpx.ASGITransport(app=Started(application, dict(state or {})), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            yield House(folder, settings, client)
    join(folder).leave()


@pytest.mark.parametrize("crashing", [False, True], ids=["kills", "kills and crashes"])
@pytest.mark.parametrize("times", [3, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
async def test_a_killed_worker_costs_nothing(folder: Path, times: int, crashing: bool) -> None:  # noqa: FBT001
    """Workers killed at any moment, PostgreSQL too, leave each recording completed, each of its steps done once."""
    dice = random.Random(times)
    coming = True
    async with house(folder, processing="off") as its:

        async def stream() -> None:
            while coming and len(its.uploaded) < 5 * times:
                await its.upload(dice.choice(KINDS))
                await asyncio.sleep(0.2)

        streaming = asyncio.create_task(stream())
        for _ in range(times):
            async with worker(its.settings, kills=100) as process:
                await asyncio.sleep(dice.uniform(0.05, 1))
                if crashing:
                    await its.crash()
                    await asyncio.sleep(dice.uniform(0.05, 1))
                process.send_signal(signal.SIGKILL)
        coming = False
        await streaming
        async with worker(its.settings, kills=100):
            found = await ended(its.client, *its.uploaded)
            await no_jobs(its.run_sql)
        assert [one["error_message"] for one in found if one["processing_status"] != "completed"] == []
        assert {one["original_transcript"] for one in found} == {"Something."}
        assert all(one["duration_seconds"] == pytest.approx(1, abs=0.1) for one in found)
        assert await told(its) == {one["id"]: TOLD for one in its.uploaded}
        await each_thing_once(its)
    print(f"{times} kills, {len(its.uploaded)} recordings")


async def told(its: House) -> dict[str, list[tuple[str, str]]]:
    """What was told of each recording, in order, once everything is told."""
    while await its.run_sql("SELECT FROM pegasus_system.announcements"):
        await asyncio.sleep(0.1)
    heard: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in await its.run_sql("SELECT recording_id, change, told FROM pegasus_system.events ORDER BY number"):
        heard[str(row["recording_id"])].append((row["change"], json.loads(row["told"])["processing_status"]))
    return dict(heard)


async def each_thing_once(its: House) -> None:
    """Beside a recording lie manifest, waveform, transcript and where one is due a variant; nothing lies elsewhere."""
    files = set(Stored(its.settings).sizes())
    rows = await its.run_sql("SELECT file_path FROM audio_files")
    assert len(rows) == len(its.uploaded)
    for path in (row["file_path"] for row in rows):
        beside = {name for name in (path, *artifacts(path)) if name in files}
        assert len(beside) == 4 + (not path.endswith("wav"))
        files -= beside
    assert {file for file in files if not file.startswith((".staging/", ".pegasus/"))} == set()


async def test_a_database_that_crashes_loses_no_job(folder: Path) -> None:
    """PostgreSQL crashes under the server's own worker: once it is back, each recording is completed."""
    async with house(folder, processing="inline") as its:
        for _ in range(10):
            await its.upload("wav")
        await its.crash()
        assert {one["processing_status"] for one in await ended(its.client, *its.uploaded)} == {"completed"}
