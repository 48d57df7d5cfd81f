"""A worker's steps reach whoever listens at a server: they are two processes that share a database and nothing else."""

import asyncio
from pathlib import Path
from signal import SIGTERM

import httpx
from starlette.responses import JSONResponse, Response

from main import WORKER
from tests.api.events.test_events import Told, listening
from tests.api.test_main import Run, forked
from tests.audio.samples import recording
from tests.audio.transcription.service import OPENAI_ANSWER, Asked, Speaker, speaking

WALK = [("created", "uploaded"), ("examined", "uploaded"), ("progressed", "transcribing"), ("progressed", "completed")]


async def heard(server: Run, service: Speaker, *, recordings: int) -> tuple[list[str], Told]:
    """What a client hears that is cut off while the engine hears the recordings, and comes again when all is done."""
    answering = asyncio.Event()

    async def late(_asked: Asked) -> Response:
        await answering.wait()
        return JSONResponse(OPENAI_ANSWER)

    service.answer = late
    told, ids = Told(), []
    async with httpx.AsyncClient(base_url=server.url(), timeout=60) as client:
        async with listening(told, server.url()):
            for _ in range(recordings):
                answer = await client.post("/api/audio/upload", files={"file": ("memo.wav", recording("wav"))})
                ids.append(answer.json()["id"])
            await told.until(3 * recordings)
        answering.set()
        for one in ids:
            while (await client.get(f"/api/audio/{one}")).json()["processing_status"] != "completed":
                await asyncio.sleep(0.05)
        async with listening(told, server.url()):
            await client.put(f"/api/audio/{ids[-1]}/tags", json={"tag": "End"})
            while told.events[-1][0] != "relabelled":
                await asyncio.sleep(0.01)
    return ids, told


async def test_a_workers_steps_are_told_by_a_server(tmp_path: Path, database: str) -> None:
    """Each step that a worker process makes is heard once and in order at a server, across a reconnect."""
    async with speaking() as service:
        shared = {
            "DATABASE_URL": database,
            "AUDIO_STORAGE_PATH": str(tmp_path / "recordings"),
            "TRANSCRIPTION_ENGINE": "openai",
            "OPENAI_BASE_URL": f"{service.address}/v1",
        }
        with (
            forked(tmp_path / "server", PROCESSING="off", **shared) as server,
            forked(tmp_path / "worker", WORKER, **shared) as working,
        ):
            ids, told = await heard(server, service, recordings=3)
            assert (server.end(SIGTERM), working.end(SIGTERM)) == (0, 0)
    assert told.events.pop()[0] == "relabelled"
    for one in ids:
        events = [(kind, event["processing_status"]) for kind, event in told.events if event["id"] == one]
        assert events == WALK
    assert len(told.events) == len(WALK) * len(ids)
    assert len(service.asked) == len(ids)
