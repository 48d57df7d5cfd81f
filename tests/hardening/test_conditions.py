"""Uploads where the clock jumps, the folder can't be written to, or many others are slow."""

import asyncio
import itertools
import os
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from audio.model.audio_file import utc_now
from core.settings import Settings
from tests.api.conftest import Look, Upload, problem
from tests.api.uploads.test_serving import END, FILE_HEAD, WAV, head, until_kept, wire

JUMPS = (timedelta(), timedelta(days=-400), timedelta(days=400), timedelta(hours=-1), timedelta(days=-20_000))


@pytest.fixture
def jumping_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set anew between any two looks at it."""
    jumps = itertools.cycle(JUMPS)

    def now() -> datetime:
        return utc_now() + next(jumps)

    monkeypatch.setattr("audio.intake.ingest.utc_now", now)


async def test_the_clock_may_jump(upload: Upload, kept: Look, settings: Settings, jumping_clock: None) -> None:
    """Set to years ago or years ahead between two uploads, the clock costs no recording and no name."""
    ids = {(await upload())["id"] for _ in range(2 * len(JUMPS))}
    now = await kept()
    assert {str(row["id"]) for row in now.rows} == ids
    assert len(ids) == len({row["file_path"] for row in now.rows}) == 2 * len(JUMPS)
    assert all((settings.storage_root / row["file_path"]).read_bytes() == WAV for row in now.rows)


async def test_many_in_one_second(upload: Upload, kept: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty recordings of one name at one moment, to the microsecond, are twenty."""
    moment = utc_now()
    monkeypatch.setattr("audio.intake.ingest.utc_now", lambda: moment)
    await asyncio.gather(*(upload() for _ in range(20)))
    now = await kept()
    assert (len(now.rows), len(now.files)) == (20, 40)
    assert {row["upload_timestamp"] for row in now.rows} == {moment}


@pytest.fixture
def in_the_way(settings: Settings) -> Path:
    """A file where the folder of the year would be: nobody, root neither, can write into that."""
    settings.storage_root.mkdir(parents=True, exist_ok=True)
    file = settings.storage_root / f"{utc_now():%Y}"
    file.touch()
    return file


async def test_a_folder_that_cannot_be_written_to(
    far_client: httpx.AsyncClient, kept: Look, in_the_way: Path, settings: Settings
) -> None:
    """Where the bytes can't get their name, the answer says so and when to come again; nothing is left, in any try."""
    before = (await kept()).files
    for content in (WAV, WAV + os.urandom(800_000)):
        answer = await far_client.post("/api/audio/upload", files={"file": ("memo.wav", content)})
        problem(answer, status=503, slug="storage-unavailable")
        assert answer.headers["retry-after"] == "5"
        assert str(settings.storage_root) not in answer.text
        assert (await kept()).files == before
    in_the_way.unlink()
    assert (await far_client.post("/api/audio/upload", files={"file": ("memo.wav", WAV)})).status_code == 200


@pytest.mark.soak
async def test_slow_clients_hold_nobody_up(server: str, kept: Look) -> None:
    """While 500 clients send a little now and then, another one's uploads go in, and none of theirs is lost."""
    body = FILE_HEAD + WAV + bytes(200_000) + END
    async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=server, timeout=60) as fast:
        slow = [await stack.enter_async_context(wire(server)) for _ in range(500)]
        for client in slow:
            await client.send(head(length=len(body)), body[:150_000])
        for start in range(150_000, len(body), 20_000):
            for client in slow:
                await client.send(body[start : start + 20_000])
            answer = await fast.post("/api/audio/upload", files={"file": ("memo.wav", WAV + bytes(500_000))})
            assert answer.status_code == 200
        assert {(await client.answer())[0] for client in slow} == {200}
    await until_kept(kept, files=2 * len((await kept()).rows))
