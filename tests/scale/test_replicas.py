"""Four servers behind nginx, over one database and one object store: any of them may be killed at any moment."""

import asyncio
import hashlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.settings import Settings, load_settings
from tests.api.test_main import Run, running
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.hardening.test_kills import check_rows, free_port, raise_failures
from tests.hardening.uploaders import BYTES, MENDED_BY_A_RETRY, TUS, Promises, Uploader
from tests.object_store import ObjectStore
from tests.scale.conftest import SECRET, TOKEN, Nginx
from tests.stored import Stored

pytestmark = pytest.mark.scale
REPLICAS, UPLOADERS = 4, 12
SOAKED = pytest.param(300.0, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])
END_SECONDS = 300


@dataclass(eq=False)
class Replica:
    """One server at a port of its own, which may be killed and started anew."""

    folder: Path
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    said: list[str] = field(default_factory=list)
    _run: Run | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, and returns once it serves."""
        self._run = self._stack.enter_context(running(self.folder, PORT=str(self.port), **self.settings))
        self._run.url()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._stack.close()
        assert self._run is not None
        self.said += self._run.said


@dataclass
class House:
    """All servers, and what they share."""

    settings: Settings
    replicas: list[Replica]


@pytest.fixture
def house(tmp_path: Path, database: str, object_store: ObjectStore) -> Iterator[House]:
    """Four servers and a worker, which are gone at the end of the test."""
    shared = object_store.settings()
    told = {name.upper(): str(value) for name, value in shared.items()}
    told |= {"DATABASE_URL": database, "AUTH_TOKENS": f"{SECRET}=*", "PROCESSING": "off", "OPEN_UPLOADS": "1000"}
    replicas = [Replica(tmp_path / f"replica-{number}", told) for number in range(REPLICAS)]
    with ExitStack() as stack:
        worker = stack.enter_context(running_worker(tmp_path / "worker", told))
        for replica in replicas:
            replica.start()
            stack.callback(replica.kill)
        yield House(load_settings(database_url=database, data_path=tmp_path, **shared), replicas)
    assert [line for run in (worker, *replicas) for line in run.said if '"exception"' in line] == []


def running_worker(folder: Path, settings: dict[str, str]) -> Any:
    """A worker alone, on the same database and object store."""
    return running(folder, sys.executable, "main.py", "worker", **settings)


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that takes an answer which a retry mends for a broken connection, and so tries again."""

    async def check(answer: httpx.Response) -> None:
        if answer.status_code in MENDED_BY_A_RETRY:
            raise httpx.RemoteProtocolError(str(answer.status_code), request=answer.request)
        assert answer.status_code < 500, answer.status_code

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=UPLOADERS)
    hooks = {"response": [check]}
    async with httpx.AsyncClient(base_url=url, headers=TOKEN, timeout=300, limits=limits, event_hooks=hooks) as client:
        yield client


async def test_the_pieces_of_an_upload_come_to_all_servers(house: House, nginx: Nginx, tmp_path: Path) -> None:
    """An upload whose pieces nginx hands out to four servers in turn is one recording, byte for byte."""
    content = recording("wav") + random.Random(1).randbytes(20 * 1024 * 1024)
    with nginx([replica.url for replica in house.replicas]) as url:
        async with client_of(url) as client:
            begun = await client.post("/api/uploads", headers=TUS | {"Upload-Length": str(len(content))})
            where, offset = begun.headers["location"], 0
            while offset < len(content):
                piece = content[offset : offset + 1024 * 1024]
                answer = await client.patch(where, content=piece, headers=BYTES | {"Upload-Offset": str(offset)})
                assert answer.status_code == 204, answer.text
                offset = int(answer.headers["upload-offset"])
            stored = await client.get(f"/api/audio/{answer.headers['upload-recording-id']}/download")
    assert stored.content == content
    lines = [json.loads(line) for line in (tmp_path / "access.log").read_text().splitlines()]
    servers = {line["server"] for line in lines if line["method"] == "PATCH"}
    assert servers == {replica.url.removeprefix("http://") for replica in house.replicas}


@pytest.mark.parametrize("seconds", [pytest.param(15.0, marks=pytest.mark.timeout(300)), SOAKED])
async def test_killed_servers_lose_nothing(house: House, nginx: Nginx, run_sql: RunSql, seconds: float) -> None:
    """Servers die under load: what was acknowledged is there, a retry mends all else, each job is done once."""
    promises, ended, kills = Promises(), asyncio.Event(), 0
    starting: dict[Replica, asyncio.Task[None]] = {}
    dice, latest = random.Random(seconds), time.monotonic() + seconds
    with nginx([replica.url for replica in house.replicas]) as url:
        async with client_of(url) as client:
            work = [asyncio.create_task(Uploader(at, client, promises).work(ended)) for at in range(UPLOADERS)]
            while time.monotonic() < latest:
                await asyncio.sleep(dice.uniform(0.5, 3))
                raise_failures(work)
                up = [replica for replica in house.replicas if replica not in starting or starting[replica].done()]
                if len(up) > 1:  # somebody has to be there
                    replica = dice.choice(up)
                    await asyncio.to_thread(replica.kill)
                    starting[replica] = asyncio.create_task(asyncio.to_thread(replica.start))
                    kills += 1
            ended.set()
            await asyncio.gather(*work, *starting.values())
            await until_processed(run_sql)
            for recording_id, digest in promises.digests.items():
                stored = await client.get(f"/api/audio/{recording_id}/download")
                assert hashlib.sha256(stored.content).hexdigest() == digest
    check_rows(await run_sql("SELECT * FROM audio_files"), promises)
    await check_jobs(run_sql)
    await check_bytes(house, run_sql)
    assert promises.broken_off
    print(
        f"{kills} kills in {seconds:.0f} s: {len(promises.digests)} recordings promised,"
        f" {promises.broken_off} requests broken off, {promises.resumed} uploads resumed"
    )


async def until_processed(run_sql: RunSql) -> None:
    """Waits for the worker's end with all that came in, and for what is told of it."""
    async with asyncio.timeout(END_SECONDS):
        while await run_sql("SELECT FROM audio_files WHERE processing_status NOT IN ('completed', 'failed') LIMIT 1"):
            await asyncio.sleep(0.2)
        while await run_sql("SELECT FROM pegasus_system.announcements LIMIT 1"):
            await asyncio.sleep(0.2)


async def check_jobs(run_sql: RunSql) -> None:
    """Every recording was entered once, examined once, completed once, and nothing of the kind waits any more."""
    told = await run_sql("SELECT recording_id, change FROM pegasus_system.events WHERE change <> 'deleted'")
    ids = [row["id"] for row in await run_sql("SELECT id FROM audio_files WHERE processing_status = 'completed'")]
    assert ids
    assert Counter(map(tuple, told)) == {
        (id_, change): 1 for id_ in ids for change in ("created", "examined", "progressed")
    }
    assert await run_sql("SELECT FROM pgqueuer.pgqueuer") == []


async def check_bytes(house: House, run_sql: RunSql) -> None:
    """Every row has its bytes, manifest and waveform."""
    sizes = Stored(house.settings).sizes()
    for row in await run_sql("SELECT file_path, file_size_bytes FROM audio_files"):
        assert sizes[row["file_path"]] == row["file_size_bytes"]
        assert f"{row['file_path']}.json" in sizes
