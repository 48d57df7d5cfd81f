"""A request's id goes with it: from the answer's header into every line of the log, also those of the worker."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from main import WORKER
from tests.api.conftest import Upload
from tests.api.processing import jobs
from tests.api.test_main import Run, forked
from tests.audio.samples import recording
from tests.audio.transcription.service import speaking
from tests.conftest import RunSql


async def heard(run: Run, *words: str) -> dict[str, object]:
    """The first line of a log that says this."""
    while True:
        for line in list(run.said):
            if all(word in line for word in words):
                return dict(json.loads(line))
        assert run.process.poll() is None, run.said
        await asyncio.sleep(0.02)


async def test_a_recording_s_id_reaches_the_worker(tmp_path: Path, database: str) -> None:
    """What a worker, in a process of its own, logs of a recording bears the id of the upload, in each lane."""
    async with speaking() as service:
        settings = {"DATABASE_URL": database, "TRANSCRIPTION_ENGINE": "openai"}
        settings["OPENAI_BASE_URL"] = f"{service.address}/v1"
        with (
            forked(tmp_path, PROCESSING="off", **settings) as run,
            forked(tmp_path, WORKER, **settings) as worker,
        ):
            url = await asyncio.to_thread(run.url)
            async with httpx.AsyncClient(base_url=url) as client:
                files = {"file": ("memo.wav", recording("wav"))}
                answer = await client.post("/api/audio/upload", files=files, headers={"X-Request-ID": "edge-1.a_b"})
            assert answer.headers["x-request-id"] == "edge-1.a_b"
            completed = await heard(worker, "recording completed", answer.json()["id"])
            assert completed["request_id"] == "edge-1.a_b"
            request = await heard(run, '"path": "/api/audio/upload"')
            assert (request["request_id"], request["recording"]) == ("edge-1.a_b", answer.json()["id"])


async def test_recordings_that_come_together_keep_their_ids(client: httpx.AsyncClient, run_sql: RunSql) -> None:
    """Rows that are entered in one statement each bring the id of their own request to their job."""

    async def send(number: int) -> tuple[str, str]:
        files, headers = {"file": ("memo.wav", recording("wav"))}, {"X-Request-ID": f"one-of-many-{number}"}
        answer = await client.post("/api/audio/upload", files=files, headers=headers)
        return answer.json()["id"], answer.headers["x-request-id"]

    sent = dict(await asyncio.gather(*(send(number) for number in range(20))))
    rows = await run_sql("SELECT dedupe_key, headers FROM pgqueuer.pgqueuer")
    assert {row["dedupe_key"]: json.loads(row["headers"])["request_id"] for row in rows} == sent


async def test_a_retry_brings_its_own_id(client: httpx.AsyncClient, upload: Upload, run_sql: RunSql) -> None:
    """What is processed again bears the id of the request that asked for it."""
    uploaded = await upload()
    await run_sql("DELETE FROM pgqueuer.pgqueuer")
    await run_sql("UPDATE audio_files SET processing_status = 'failed'")
    answer = await client.post(f"/api/audio/{uploaded['id']}/retry", headers={"X-Request-ID": "again"})
    assert answer.status_code == 202
    [row] = await run_sql("SELECT headers FROM pgqueuer.pgqueuer")
    assert json.loads(row["headers"])["request_id"] == "again"
    assert list(await jobs(run_sql)) == [uploaded["id"]]


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "line\\nbreak", 'quote"', "ümlaut"])
async def test_an_id_that_could_harm_a_log_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    """Ids that are too long or hold anything but letters, digits, dot, dash and underscore are never repeated."""
    answer = await client.get("/health/live", headers={b"X-Request-ID": given.encode()})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 16


async def test_a_failure_s_traceback_bears_the_id(tmp_path: Path, database: str, run_sql: RunSql) -> None:
    """What the server itself logs when nobody has foreseen an error is found by the request's id, too."""
    with forked(tmp_path, DATABASE_URL=database, PROCESSING="off") as run:
        url = await asyncio.to_thread(run.url)
        await run_sql("ALTER TABLE audio_files DROP COLUMN tag CASCADE")
        async with httpx.AsyncClient(base_url=url) as client:
            answer = await client.get("/api/audio/tags", headers={"X-Request-ID": "unforeseen"})
        assert answer.status_code == 500
        told = await heard(run, '"exception"', "Traceback")
        assert told["request_id"] == "unforeseen"
