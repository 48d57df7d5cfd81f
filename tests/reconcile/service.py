"""Pegasus itself, started on a healed database inside the test's own process, and asked what its users ask it."""

import io
import wave
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.application import create_app
from app.schema_healing import SYSTEM_INI
from core.database.engine import open_single_use_engine
from core.database.pgqueuer_setup import prepare_queue
from core.settings import load_settings
from reconcile.healing.heal import heal
from reconcile.tape.project import open_project


def sound() -> bytes:
    """A tenth of a second of silence as a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    return buffer.getvalue()


SOUND = sound()


@asynccontextmanager
async def pegasus(database: str, storage: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole application, started; it only verifies the schema unless told otherwise.

    Our own schema and the queue of jobs aren't what these tests are about: they are there before.
    """
    await make_the_rest(database)
    async with started(application(database, storage, **settings)) as client:
        yield client


async def make_the_rest(database: str) -> None:
    """Makes our own schema and the queue of jobs."""
    engine = open_single_use_engine(database)
    async with engine.connect() as connection:
        await connection.run_sync(heal, open_project(SYSTEM_INI))
    await engine.dispose()
    await prepare_queue(database, may_change=True)


def application(database: str, storage: Path, **settings: Any) -> FastAPI:
    """The application on a database, not yet started."""
    chosen: dict[str, Any] = {
        "migrations": "verify",
        "processing": "off",
        "database_url": database,
        "audio_storage_path": storage,
    }
    return create_app(load_settings(**chosen | settings))


@asynccontextmanager
async def started(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application whose lifespan runs meanwhile; it may be started again afterwards."""
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(app=_with_state(app, state or {}))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            yield client


def _with_state(app: ASGIApp, state: Mapping[str, Any]) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    return call


async def check_use(
    client: httpx.AsyncClient, *, readable: Mapping[UUID, bytes] | None = None, forbidden: Collection[UUID] = ()
) -> None:
    """Uploads with a tag and a category, then reads, lists and downloads everything that was there before."""
    readable = readable or {}
    uploaded = await client.post(
        "/api/audio/upload",
        files={"file": ("memo.wav", SOUND, "audio/wav")},
        data={"tag": "After the heal", "category": "Proof"},
    )
    assert uploaded.status_code == 200, uploaded.text
    new = uploaded.json()
    assert (new["tag"], new["category"]) == ("After the heal", "Proof")
    listed = (await client.get("/api/audio/", params={"limit": 1000})).json()["items"]
    assert {item["id"] for item in listed} >= {new["id"], *map(str, readable), *map(str, forbidden)}
    for recording, content in readable.items():
        assert (await client.get(f"/api/audio/{recording}")).json()["id"] == str(recording)
        await _check_download(client, recording, content)
    for recording in forbidden:
        refused = await client.get(f"/api/audio/{recording}/download")
        assert refused.status_code == 404
        assert b"nobody's business" not in refused.content


async def _check_download(client: httpx.AsyncClient, recording: UUID, content: bytes) -> None:
    downloaded = await client.get(f"/api/audio/{recording}/download")
    assert downloaded.status_code == 200, downloaded.text
    assert downloaded.content == content
