"""The application on a real database and a real folder, called directly or served on a real socket."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.types import Receive, Scope, Send

from access import tokens
from access.static_tokens import static_tokens
from api.http1.listener import claim_address
from api.http1.server import server_for
from app.application import create_app
from app.notifications import webhook_targets
from app.startup import Prepared
from app.storage_factory import prepare_storage
from core.database.engine import database_address
from core.settings import Settings, load_settings
from tests.audio.samples import recording
from tests.conftest import RunSql, fresh_database
from tests.serving import served
from tests.stored import Stored


@pytest.fixture
async def database(server_address: str, healed: str) -> AsyncIterator[str]:
    """The address of a database that has just been made ready, without a recording."""
    async with fresh_database(server_address, template=healed) as address:
        yield address


@pytest.fixture
def sweep_hours() -> float:
    """How often a test's server sweeps: never, unless the test is about that. A first sweep takes as long as a test."""
    return 0


@pytest.fixture
def settings(database: str, tmp_path: Path, storage_settings: dict[str, Any], sweep_hours: float) -> Settings:
    """The settings of a server with a database and a storage of its own; nothing may be larger than 1 MiB.

    It leaves what has come in as it is: a test that wants it processed says so.
    """
    return load_settings(
        database_url=database,
        data_path=tmp_path / "data",
        max_file_size_mb=1,
        port=0,
        processing="off",
        sweep_hours=sweep_hours,
        **storage_settings,
    )


async def prepared_by_copy(settings: Settings) -> Prepared:
    """What a start would prepare, without comparing a schema again that was copied from a healed database."""
    await prepare_storage(settings)
    secrets = settings.auth_tokens.get_secret_value() if settings.auth_tokens is not None else None
    return Prepared(
        settings=settings,
        address=database_address(settings),
        schema_verified=True,
        static_tokens=static_tokens(secrets, file=settings.auth_tokens_file),
        webhooks=webhook_targets(settings),
    )


async def app_with(settings: Settings) -> FastAPI:
    """The application on what a start would prepare, not yet started."""
    return create_app(settings, prepared=await prepared_by_copy(settings))


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator["Started"]:
    """The application, started."""
    application = await app_with(settings)
    async with application.router.lifespan_context(application) as state:
        yield Started(application, dict(state or {}))


@dataclass(frozen=True)
class Started:
    """An application whose lifespan runs, with the state that a server would give to each request."""

    app: FastAPI
    state: dict[str, Any] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        await self.app({**scope, "state": dict(self.state)}, receive, send)


@pytest.fixture
async def client(app: Started) -> AsyncIterator[httpx.AsyncClient]:
    """A client that calls the application directly."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture(params=["ordinary", "direct"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way that bytes take between socket and file: through the event loop, or directly, even the fewest."""
    if request.param == "direct":
        monkeypatch.setattr("api.http1.request_body.GATHERED_BYTES", 1)
        monkeypatch.setattr("api.http1.request_body.DIRECT_BYTES", 1)
    return str(request.param)


@pytest.fixture
async def server(settings: Settings, way: str) -> AsyncIterator[str]:
    """The base URL of the application as uvicorn serves it on a real socket, over each way."""
    listener = claim_address(settings)
    application = await app_with(settings)
    async with served(server_for(application, direct=way == "direct"), listener) as url:
        yield url


@pytest.fixture
async def far_client(server: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client on the other end of a real socket; it loads no certificates, which would take longer than most tests.

    It gives an idle connection up well before the server does: a request must not meet its end.
    """
    limits = httpx.Limits(keepalive_expiry=1)
    async with httpx.AsyncClient(base_url=server, timeout=60, verify=False, limits=limits) as client:
        yield client


@dataclass(frozen=True)
class Kept:
    """Everything that is kept of all uploads."""

    rows: list[dict[str, Any]]
    files: set[str]


@pytest.fixture
def kept(run_sql: RunSql, settings: Settings) -> Callable[[], Awaitable[Kept]]:
    """A function that looks at the table and at the folder, but not at what storage knows of itself."""

    async def look() -> Kept:
        rows = [dict(row) for row in await run_sql("SELECT * FROM audio_files ORDER BY upload_timestamp")]
        return Kept(rows, set(Stored(settings).sizes()))

    return look


Look = Callable[[], Awaitable[Kept]]
Upload = Callable[..., Awaitable[dict[str, Any]]]
Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
MakeToken = Callable[..., Coroutine[Any, Any, tuple[UUID, str]]]
Revoke = Callable[[UUID], Coroutine[Any, Any, None]]


@pytest.fixture
def upload(client: httpx.AsyncClient) -> Upload:
    """A function that uploads a recording and returns the answer."""

    async def post(name: str = "wav", *, file_name: str = "memo.wav", **fields: str) -> dict[str, Any]:
        answer = await client.post(
            "/api/audio/upload", files={"file": (file_name, recording(name), "audio/x-wrong")}, data=fields
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = json.loads(answer.text)
        return body

    return post


@pytest.fixture
def serve(settings: Settings) -> Serve:
    """A function that starts the application with other settings, and yields a client that calls it directly."""

    @asynccontextmanager
    async def serving(*, heals: bool = False, **changed: Any) -> AsyncIterator[httpx.AsyncClient]:
        other = Settings(**settings.model_dump() | changed)
        application = create_app(other) if heals else await app_with(other)
        async with application.router.lifespan_context(application) as state:
            started = Started(application, dict(state or {}))
            transport = httpx.ASGITransport(app=started, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                yield client

    return serving


@pytest.fixture
def make_token(engine: AsyncEngine) -> MakeToken:
    """A function that makes a token in the table, and answers with its id and its secret."""

    async def make(user_id: str, *, admin: bool = False) -> tuple[UUID, str]:
        async with AsyncSession(engine) as session:
            token, secret = await tokens.create(session, user_id, admin=admin)
            await session.commit()
            return token.id, secret

    return make


@pytest.fixture
def revoke(engine: AsyncEngine) -> Revoke:
    """A function that revokes a token."""

    async def revoke(token_id: UUID) -> None:
        async with AsyncSession(engine) as session:
            await tokens.revoke(session, token_id)
            await session.commit()

    return revoke


def problem(answer: httpx.Response, *, status: int, slug: str) -> dict[str, Any]:
    """The problem in an answer, which must be one of that kind."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:pegasus:problem:{slug}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"].endswith(".")
    return body
