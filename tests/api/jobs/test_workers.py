"""Workers that are stopped and poisoned, and the queue that they work on: every recording comes to its end."""

import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import pytest

from audio.processing.decoding import DecoderUnavailable
from audio.processing.examination_step import VARIANT_TRIES
from audio.processing.job_runner import KILLED
from audio.transcription.contract import EngineUnreachable, Transcript
from core.database.pgqueuer_setup import JobQueueMissing, prepare_queue
from core.errors import PrivilegeMissing
from core.settings import Settings
from tests.api.conftest import Upload
from tests.api.processing import ended, jobs, no_jobs, worker, working
from tests.audio.samples import recording, repeat
from tests.audio.transcription.service import speaking
from tests.conftest import RunSql, fresh_database
from tests.hardening.test_mixed_soak import decoders


async def test_a_recording_that_kills_its_worker_fails(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, run_sql: RunSql
) -> None:
    """What ends its worker each time is failed after three times, and all the others are completed."""
    poison = recording("mp3")
    before = [await upload() for _ in range(3)]
    poisonous = await upload("mp3")
    after = [await upload() for _ in range(3)]
    deaths = 0
    while await jobs(run_sql):
        async with worker(settings, kills=3, poison=poison) as process:
            waiting = asyncio.create_task(no_jobs(run_sql))
            dying = asyncio.create_task(process.wait())
            await asyncio.wait({waiting, dying}, return_when=asyncio.FIRST_COMPLETED)
            deaths += dying.done()
            waiting.cancel()
    [failed] = await ended(client, poisonous)
    assert deaths == 3
    assert failed["processing_status"] == "failed"
    assert "was killed 3 times" in failed["error_message"]
    assert {one["processing_status"] for one in await ended(client, *before, *after)} == {"completed"}


async def kill_children(count: int, *, spared: int = 0) -> None:
    """Kills so many children of this process's decoder, each as soon as it is there; the first ones are spared."""
    seen: set[int] = set()
    while len(seen) < spared + count:
        with suppress(OSError):  # one has ended meanwhile
            processes = decoders(os.getpid())
            if len(processes) == 3 and (child := processes[-1]) not in seen:
                if len(seen) >= spared:
                    os.kill(child, signal.SIGKILL)
                seen.add(child)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("kills", "end"), [(2, "completed"), (3, "failed")])
async def test_a_recording_whose_decoding_is_killed_is_tried_again(
    client: httpx.AsyncClient, settings: Settings, run_sql: RunSql, tmp_path: Path, kills: int, end: str
) -> None:
    """A child that somebody kills says nothing of its recording, until it was killed three times."""
    path = tmp_path / "call.amr"
    repeat("amr", path, hours=0.05)
    answer = await client.post("/api/audio/upload", files={"file": ("call.amr", path.read_bytes())})
    async with working(settings):
        killing = asyncio.create_task(kill_children(kills))
        [found] = await ended(client, answer.json())
        await no_jobs(run_sql)
    killing.cancel()
    assert found["processing_status"] == end
    assert found["error_message"] == (None if end == "completed" else KILLED.format(times=kills))


async def test_a_variant_that_is_killed_costs_the_variant_alone(
    client: httpx.AsyncClient, settings: Settings, run_sql: RunSql, tmp_path: Path
) -> None:
    """A recording whose playback variant can't be made, as its child is killed each time, is as good as it came."""
    path = tmp_path / "call.amr"
    repeat("amr", path, hours=0.05)
    answer = await client.post("/api/audio/upload", files={"file": ("call.amr", path.read_bytes())})
    async with working(settings):
        killing = asyncio.create_task(kill_children(VARIANT_TRIES, spared=1))
        [recorded] = await ended(client, answer.json())
        await no_jobs(run_sql)
        await killing
    assert (recorded["processing_status"], recorded["error_message"]) == ("completed", None)
    assert recorded["duration_seconds"] == pytest.approx(180, rel=0.01)
    whole = await client.get(f"/api/audio/{recorded['id']}/download")
    assert whole.content == path.read_bytes()


class FailingEngine:
    """Fails in each of the given ways, one after the other, and then hears something."""

    name = "failing"

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        """The same for every recording."""
        if self._failures:
            raise self._failures.pop(0)
        return Transcript("Something.")

    async def close(self) -> None:
        """Has nothing to let go of."""


@pytest.mark.parametrize(("bugs", "end"), [(2, "completed"), (3, "failed")])
async def test_what_is_nobodys_fault_uses_up_no_try(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, bugs: int, end: str
) -> None:
    """An engine that is away and a decoder that doesn't run use up none of the three tries of what nobody foresaw."""
    away = EngineUnreachable("failing", "it is away")
    failures = [away, DecoderUnavailable(), away, DecoderUnavailable(), *[ValueError("a bug")] * bugs]
    uploaded = await upload()
    async with working(settings, engine=FailingEngine(*failures)):
        [recorded] = await ended(client, uploaded)
    assert recorded["processing_status"] == end


async def test_a_worker_that_is_told_to_stop_gives_its_jobs_back(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, run_sql: RunSql
) -> None:
    """A worker that stops waits a while, then returns what isn't done; that isn't held against the recording."""
    uploaded = [await upload() for _ in range(2)]
    async with speaking() as service:
        begun, never = asyncio.Event(), asyncio.Event()

        async def silent(_asked: object) -> object:
            begun.set()
            await never.wait()
            raise AssertionError

        service.answer = silent  # type: ignore[assignment]
        slow = settings.model_copy(
            update={"transcription_engine": "openai", "openai_base_url": f"{service.address}/v1"}
        )
        async with working(slow):
            await begun.wait()
        rows = await run_sql("SELECT status, headers FROM pgqueuer.pgqueuer")
        assert [row["status"] for row in rows] == ["queued"] * 2
        assert all("under_way" not in json.loads(row["headers"] or "{}") for row in rows)
        service.answer = None
        async with working(slow):
            assert {one["processing_status"] for one in await ended(client, *uploaded)} == {"completed"}


async def test_a_row_and_its_job_come_together(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, run_sql: RunSql
) -> None:
    """Whatever cuts an upload off in the database, there is a job for each row and a row for each job."""
    stop = False

    async def cut() -> None:
        while not stop:
            await run_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%audio_files%'"
            )

    async def send() -> int:
        content = {"file": ("memo.wav", recording("wav"))}
        return (await client.post("/api/audio/upload", files=content)).status_code

    cutting = asyncio.create_task(cut())
    codes = [code for _ in range(15) for code in await asyncio.gather(*(send() for _ in range(4)))]
    stop = True
    await cutting
    rows = {str(row["id"]) for row in await run_sql("SELECT id FROM audio_files")}
    assert set(await jobs(run_sql)) == rows
    assert len(rows) >= codes.count(200)
    assert set(codes) <= {200, 503}
    before = len(rows)
    await run_sql("ALTER TABLE pgqueuer.pgqueuer RENAME TO elsewhere")
    assert await send() >= 500
    await run_sql("ALTER TABLE pgqueuer.elsewhere RENAME TO pgqueuer")
    assert len(await run_sql("SELECT id FROM audio_files")) == before


async def test_many_processes_make_one_queue(server_address: str) -> None:
    """Servers that start at the same time on a new database make the queue once, and find it from then on."""
    async with fresh_database(server_address, template="template0") as address:
        with pytest.raises(JobQueueMissing):
            await prepare_queue(address, may_change=False)
        await asyncio.gather(*(prepare_queue(address, may_change=True) for _ in range(8)))
        await prepare_queue(address, may_change=False)
        connection = await asyncpg.connect(address)
        await connection.execute("ALTER TABLE pgqueuer.pgqueuer DROP COLUMN slot CASCADE")
        await connection.close()
        with pytest.raises(JobQueueMissing):
            await prepare_queue(address, may_change=False)
        await prepare_queue(address, may_change=True)
        await prepare_queue(address, may_change=False)


async def test_a_missing_privilege_is_told(server_address: str) -> None:
    """A user who may not make the queue's schema is told the statement that an administrator can run."""
    async with fresh_database(server_address, template="template0") as address:
        connection = await asyncpg.connect(address)
        await connection.execute("CREATE ROLE worker_only LOGIN PASSWORD 'hush'")
        with pytest.raises(PrivilegeMissing) as refused:
            await prepare_queue(address.replace("pegasus@", "worker_only:hush@"), may_change=True)
        assert refused.value.remedy == "CREATE SCHEMA pgqueuer AUTHORIZATION worker_only;"
        await connection.execute(refused.value.remedy)
        await prepare_queue(address.replace("pegasus@", "worker_only:hush@"), may_change=True)
        await connection.execute("DROP OWNED BY worker_only")
        await connection.execute("DROP ROLE worker_only")
        await connection.close()
