"""`kill -9` of the server in the midst of uploads: whatever it has promised is there when it comes back."""

import asyncio
import hashlib
import json
import random
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from audio.processing.job_runner import KILLED
from core.database.pgqueuer_setup import JOBS
from core.postgres.embedded import join
from tests.api.test_main import forked
from tests.conftest import fresh_database
from tests.forks import ended_fork
from tests.hardening.uploaders import Promises, Uploader

SOAKED = pytest.param(300, 30, marks=[pytest.mark.soak, pytest.mark.timeout(900)])
DRAFT_SOAKED = pytest.param(12, 200, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])


@pytest.fixture
def durable_address() -> Iterator[str]:
    """The address of a PostgreSQL that is as durable as in production."""
    with tempfile.TemporaryDirectory(prefix="pegasus-") as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        server = join(Path(folder))
        yield server.address
        server.leave()


@pytest.mark.parametrize(("uploaders", "kills"), [pytest.param(20, 2), SOAKED])
async def test_nothing_that_was_promised_is_lost(
    tmp_path: Path, durable_address: str, uploaders: int, kills: int
) -> None:
    """Every recording that was answered is there, whole and once; every offset stays; nothing else is left over."""
    await check_kills(tmp_path, durable_address, uploaders=uploaders, kills=kills)


@pytest.mark.parametrize(("uploaders", "kills"), [pytest.param(8, 3), DRAFT_SOAKED])
async def test_uploads_by_the_draft_outlive_kills(
    tmp_path: Path, durable_address: str, uploaders: int, kills: int
) -> None:
    """Killed amid creations and appends, it loses no byte that it acknowledged, and makes no recording twice."""
    await check_kills(tmp_path, durable_address, uploaders=uploaders, kills=kills, by_draft_alone=True)


async def check_kills(
    tmp_path: Path, durable_address: str, *, uploaders: int, kills: int, by_draft_alone: bool = False
) -> None:
    """Kills the server while uploads come in, and compares what is there at the end with what was promised."""
    async with fresh_database(durable_address, template="template0") as database:
        promises = await upload_and_kill(
            tmp_path, database, uploaders=uploaders, kills=kills, by_draft_alone=by_draft_alone
        )
        assert promises.digests
        assert promises.broken_off
        rows = await all_rows(database)
        check_rows(rows, promises)
        check_files(tmp_path / "recordings", rows, promises, at_most_left=uploaders * kills)
        assert await without_a_job(database) == []
        assert storage("verify", tmp_path, database)["wrong"] == 0
        swept = storage("sweep", tmp_path, database)
        assert (swept["rows_without_bytes"], swept["rows_without_manifest"], swept["stopped"]) == (0, 0, None)


async def upload_and_kill(folder: Path, database: str, *, uploaders: int, kills: int, by_draft_alone: bool) -> Promises:
    """Kills the server so often while so many upload, and lets them finish with the last one."""
    port, promises, ended = free_port(), Promises(), asyncio.Event()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=uploaders)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=300, limits=limits) as client:
        each = [Uploader(at, client, promises, by_draft_alone=by_draft_alone) for at in range(uploaders)]
        work = [asyncio.create_task(uploader.work(ended)) for uploader in each]
        # Each kill may leave an upload of each uploader that it never heard of: they stay open for a day.
        settings = {"OPEN_UPLOADS": str(uploaders * kills)}
        if by_draft_alone:  # killed so often amid processing a recording would be given up, and the log would say so
            settings["PROCESSING"] = "off"
        for seed in range(kills):
            async with serving(folder, database, port, **settings):
                before = len(promises.digests)
                while len(promises.digests) < before + 2:  # it is at work, as soon as it answers
                    raise_failures(work)
                    await asyncio.sleep(0.05)
                await asyncio.sleep(random.Random(seed).random())
        async with serving(folder, database, port, **settings):
            ended.set()
            await asyncio.gather(*work)
    print(
        f"{uploaders} uploaders, {kills} kills: {len(promises.digests)} recordings promised,"
        f" {promises.broken_off} requests broken off, {promises.resumed} uploads resumed"
    )
    return promises


def raise_failures(work: list[asyncio.Task[None]]) -> None:
    """An uploader that has failed is what the test has found."""
    for task in work:
        if task.done():
            task.result()


@asynccontextmanager
async def serving(folder: Path, database: str, port: int, **settings: str) -> Any:
    """A server that serves, and is killed at the end."""
    with forked(folder, DATABASE_URL=database, PORT=str(port), LOG_LEVEL="WARNING", **settings) as run:
        yield
        run.process.kill()
        await asyncio.to_thread(run.ended)
    given_up = KILLED.format(times=3)  # so often may a recording have been on its way when the server was killed
    assert [line for line in run.said if given_up not in line] == []


def storage(command: str, folder: Path, database: str) -> dict[str, Any]:
    """What `python -m storage` finds."""
    done = ended_fork("-m", "storage", command, "--json", DATA_PATH=str(folder), DATABASE_URL=database)
    tally: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return tally


async def without_a_job(database: str) -> list[str]:
    """The recordings that nobody will process: neither at their end nor in the queue."""
    unended = "SELECT id::text FROM audio_files WHERE processing_status NOT IN ('completed', 'failed')"
    connection = await asyncpg.connect(database)
    try:
        found = await connection.fetch(f"{unended} EXCEPT SELECT dedupe_key FROM {JOBS}")
    finally:
        await connection.close()
    return [row["id"] for row in found]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def all_rows(database: str) -> list[asyncpg.Record]:
    """Every recording in the table."""
    connection = await asyncpg.connect(database)
    try:
        return list(await connection.fetch("SELECT * FROM audio_files"))
    finally:
        await connection.close()


def check_rows(rows: list[asyncpg.Record], promises: Promises) -> None:
    """What was promised has its row; what was sent again is there once."""
    assert {str(row["id"]) for row in rows} >= set(promises.digests)
    names = Counter(row["original_filename"] for row in rows)
    assert all(names[name] == 1 for name in promises.once)
    assert all(count == 1 for count in names.values())
    assert set(names) <= promises.once | promises.at_most_once


def check_files(root: Path, rows: list[asyncpg.Record], promises: Promises, *, at_most_left: int) -> None:
    """Every row has its bytes, as their manifest says; without a row are only those that a kill came between."""
    for row in rows:
        path = root / row["file_path"]
        content, manifest = path.read_bytes(), json.loads(path.with_name(f"{path.name}.json").read_text())
        digest = hashlib.sha256(content).hexdigest()
        assert (len(content), digest) == (row["file_size_bytes"], manifest["sha256"])
        assert promises.digests.get(str(row["id"]), digest) == digest
    named = {root / row["file_path"] for row in rows}
    stored = {path for path in root.rglob("audio_*") if path.name.count(".") == 1}  # not what lies beside them
    assert named <= stored
    assert len(stored - named) <= at_most_left
