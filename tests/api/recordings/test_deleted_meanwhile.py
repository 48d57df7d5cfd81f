"""Recordings that are deleted while they are processed, before and after each thing that processing does."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from io import FileIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from audio.processing.decoding import Decoder, ResourceUsage
from audio.transcription.contract import Transcript
from core.settings import Settings
from storage.local.storage import LocalStorage
from tests.api.conftest import Look, Upload
from tests.api.processing import no_jobs, working
from tests.conftest import RunSql

# Transcoded for playback; as it is; remuxed. The first has the moments of the others.
KINDS = ("amr", *(pytest.param(kind, marks=pytest.mark.soak) for kind in ("wav", "webm live")))


class Moments:
    """The moments before and after each thing that a worker does with storage, its decoder and an engine."""

    def __init__(self) -> None:
        self._left = -1
        self._then: Callable[[], Awaitable[None]] | None = None

    def set(self, number: int, then: Callable[[], Awaitable[None]]) -> None:
        """Has something done at the moment of that number, counted from here."""
        self._left, self._then = number, then

    @property
    def came(self) -> bool:
        """Whether that moment has come."""
        return self._left < 0

    async def pass_by(self) -> None:
        """Another moment."""
        self._left -= 1
        if self._left == -1 and self._then is not None:
            await self._then()


class ScrapeGauges(LocalStorage):
    """Storage whose calls are moments."""

    def __init__(self, root: Path, moments: Moments) -> None:
        super().__init__(root)
        self._moments = moments

    async def read(self, name: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """A moment before, and one after each piece."""
        await self._moments.pass_by()
        async for piece in super().read(name, start=start, stop=stop):
            await self._moments.pass_by()
            yield piece

    async def replace(self, name: str, content: bytes) -> None:
        """A moment before, and one after."""
        await self._moments.pass_by()
        await super().replace(name, content)
        await self._moments.pass_by()

    async def open_locally(self, name: str) -> FileIO:
        """A moment before, and one after."""
        await self._moments.pass_by()
        file = await super().open_locally(name)
        await self._moments.pass_by()
        return file


class Engine:
    """Reads what it is given; before and after that are moments."""

    name = "deaf"

    def __init__(self, moments: Moments) -> None:
        self._moments = moments

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        """The same for every recording."""
        await self._moments.pass_by()
        assert audio.read_bytes()
        await self._moments.pass_by()
        return Transcript("Something.")

    async def close(self) -> None:
        """Has nothing to let go of."""


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    """Moments of which there is one before and after each job of a decoder."""
    moments, run = Moments(), Decoder.run

    async def watched(decoder: Decoder, job: str, **arguments: Any) -> tuple[dict[str, Any], ResourceUsage]:
        await moments.pass_by()
        answer = await run(decoder, job, **arguments)
        await moments.pass_by()
        return answer

    monkeypatch.setattr(Decoder, "run", watched)
    return moments


@pytest.mark.folder
@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_deleted_at_any_moment_ends_quietly(
    client: httpx.AsyncClient,
    settings: Settings,
    upload: Upload,
    run_sql: RunSql,
    kept: Look,
    moments: Moments,
    kind: str,
) -> None:
    """Whenever a recording is deleted, nothing is tried again, nothing is logged as a fault, and nothing stays."""
    deleting: asyncio.Task[httpx.Response]

    async def delete() -> None:
        """Waits for the deletion, unless that waits for the worker."""
        nonlocal deleting
        deleting = asyncio.create_task(client.delete(f"/api/audio/{uploaded['id']}"))
        while not deleting.done() and not await run_sql("SELECT FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)

    storage, number = ScrapeGauges(settings.storage_root, moments), 0
    with structlog.testing.capture_logs() as lines:
        async with working(settings, storage=storage, engine=Engine(moments)):
            while True:
                moments.set(number, delete)
                uploaded = await upload(kind)
                await no_jobs(run_sql)
                if not moments.came:
                    break
                assert (await deleting).status_code == 200
                assert (number, await kept()) == (number, type(await kept())([], set()))
                number += 1
    assert number > 20
    assert [line for line in lines if line["log_level"] != "info"] == []
