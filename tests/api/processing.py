"""What the tests of processing share: impatient workers, a wait for recordings' ends, and a log of their ways."""

import asyncio
import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from app.storage_factory import open_storage
from app.worker_process import open_worker
from audio.processing.retry_policy import RetryPolicy
from audio.transcription.contract import Engine
from core.database.engine import open_engine, sessions_on
from core.settings import ROOT, Settings
from storage.contract import Storage
from tests.conftest import RunSql
from tests.stored import storage_environment

SCRIPT = Path(__file__).parent / "jobs" / "killable_worker.py"
ENDS = {"completed", "failed"}
IMPATIENT = RetryPolicy(
    first_delay=timedelta(seconds=0.05),
    longest_delay=timedelta(seconds=0.2),
    heartbeat=timedelta(seconds=1),
    poll=timedelta(seconds=0.2),
    reconnect_seconds=0.1,
    drain_seconds=1,
)
WALK = "CREATE TABLE walk (step bigserial, recording uuid, was text, became text)"
NOTE = """
CREATE FUNCTION walk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO walk (recording, was, became) VALUES (NEW.id, OLD.processing_status, NEW.processing_status);
  RETURN NEW;
END $$
"""
WATCH = """
CREATE TRIGGER walk AFTER UPDATE ON audio_files FOR EACH ROW
  WHEN (OLD.processing_status <> NEW.processing_status) EXECUTE FUNCTION walk()
"""


@asynccontextmanager
async def working(
    settings: Settings,
    *,
    storage: Storage | None = None,
    engine: Engine | None = None,
    retry_policy: RetryPolicy = IMPATIENT,
) -> AsyncIterator[None]:
    """A worker in this process, until the block ends."""
    assert settings.database_url is not None
    address = settings.database_url.get_secret_value()
    pool = open_engine(address)
    async with open_worker(
        settings,
        sessions=sessions_on(pool, address),
        storage=storage or open_storage(settings),
        decoding=2,
        engine=engine,
        retry_policy=retry_policy,
    ) as worker:
        task = asyncio.create_task(worker.run())
        yield
        worker.stop()
        await task
    await pool.dispose()


async def ended(client: httpx.AsyncClient, *recordings: dict[str, Any]) -> list[dict[str, Any]]:
    """The recordings once each is completed or failed; the test's own timeout says when one never is."""
    found = []
    for recording in recordings:
        while True:
            answer = (await client.get(f"/api/audio/{recording['id']}")).json()
            if answer["processing_status"] in ENDS:
                break
            await asyncio.sleep(0.03)
        found.append(answer)
    return found


async def log_walks(run_sql: RunSql) -> None:
    """From here on the database itself keeps each change of a recording's state."""
    for statement in (WALK, NOTE, WATCH):
        await run_sql(statement)


async def walks(run_sql: RunSql) -> dict[str, list[str]]:
    """Every state that each recording has come into, in order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in await run_sql("SELECT recording, became FROM walk ORDER BY step"):
        found[str(row["recording"])].append(row["became"])
    return dict(found)


async def jobs(run_sql: RunSql) -> Collection[str]:
    """The recordings that have a job."""
    return {row["payload"].decode() for row in await run_sql("SELECT payload FROM pgqueuer.pgqueuer")}


async def no_jobs(run_sql: RunSql) -> None:
    """Waits until no job is left."""
    while await jobs(run_sql):
        await asyncio.sleep(0.03)


@asynccontextmanager
async def worker(settings: Settings, *, kills: int, poison: bytes = b"") -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own, which works by now; it is killed at the end."""
    assert settings.database_url is not None
    told = {"DATABASE_URL": settings.database_url.get_secret_value(), "DATA_PATH": str(settings.data_path)}
    told |= storage_environment(settings)
    path = os.pathsep.join([str(ROOT / "backend"), str(ROOT)])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        str(kills),
        hashlib.sha256(poison).hexdigest(),
        env=os.environ | told | {"PYTHONPATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"works\n"
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
