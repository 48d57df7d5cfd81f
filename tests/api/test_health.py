"""Health: alive, and ready only while every part is well; and what clients see while one is away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
import structlog.testing

from app.application import create_app
from core.settings import Settings
from tests.api.conftest import Look, Started, problem
from tests.audio.samples import recording
from tests.conftest import RunSql

LAYERS = {"no_new_privs": True, "seccomp": True, "landlock": True, "unprivileged": True}
READY = {"schema": "well", "database": "well", "storage": "well"}


@asynccontextmanager
async def database_away(server_address: str, database: str) -> AsyncIterator[None]:
    """Takes the test's database away, and gives it back."""
    name = database.split("?", maxsplit=1)[0].rpartition("/")[2]
    connection = await asyncpg.connect(server_address)
    try:
        await connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        await connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_away")
        yield
        await connection.execute(f"ALTER DATABASE {name}_away RENAME TO {name}")
    finally:
        await connection.close()


@pytest.mark.parametrize("url", ["/health", "/health/ready"])
async def test_a_server_that_is_well_is_ready(client: httpx.AsyncClient, url: str) -> None:
    """Ready means that the schema was verified, and that the database and storage answer."""
    answer = await client.get(url)
    told = answer.json()
    assert (answer.status_code, told["status"], told["parts"]) == (200, "ready", READY)
    assert told["last_heal"]["sentence"] == "The tables were made."
    assert (await client.get("/health/live")).json() == {"status": "alive"}
    for asked in (url, "/health/live"):  # as watching services ask by default
        head = await client.head(asked)
        assert (head.status_code, head.headers["content-type"]) == (200, "application/json")


async def test_health_says_how_recordings_are_decoded(settings: Settings) -> None:
    """/health and one line of the log name the layers of the decoder's box; a server that decodes nothing has none."""
    for processing, expected in {"inline": LAYERS, "off": None}.items():
        application = create_app(settings.model_copy(update={"processing": processing}))
        with structlog.testing.capture_logs() as lines:
            async with application.router.lifespan_context(application) as state:
                transport = httpx.ASGITransport(app=Started(application, dict(state or {})))
                async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                    assert (await client.get("/health")).json()["decoder"] == expected
        logged = [line for line in lines if line["event"] == "the decoder's box"]
        assert logged == ([{"event": "the decoder's box", "log_level": "info", **LAYERS}] if expected else [])


async def test_the_last_heal_is_told(settings: Settings, run_sql: RunSql) -> None:
    """What the start found missing and added is told in a sentence, with its time, until something else is healed."""
    await run_sql("DROP INDEX ix_audio_files_tag")
    before = datetime.now(UTC)
    for _ in range(2):
        application = create_app(settings)
        async with application.router.lifespan_context(application) as state:
            healed = (state or {})["services"].health.last_heal
        assert healed.sentence == "Parts of the schema were missing and were added."
        assert before < healed.at < datetime.now(UTC)


async def test_a_journal_that_cannot_be_read_holds_nobody_up(settings: Settings, run_sql: RunSql) -> None:
    """Without the journal of heals the server starts, and tells of none."""
    await run_sql("ALTER TABLE pegasus_system.heals RENAME COLUMN verdict TO lost")
    application = create_app(settings)
    async with application.router.lifespan_context(application) as state:
        assert (state or {})["services"].health.last_heal is None


@pytest.mark.folder
async def test_a_server_without_storage_is_not_ready(client: httpx.AsyncClient, settings: Settings) -> None:
    """It names the part that is away, and is ready again once that is back."""
    away = settings.storage_root.with_name("away")
    settings.storage_root.rename(away)
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["parts"]) == (503, READY | {"storage": "not well"})
    assert (await client.get("/health/live")).status_code == 200
    away.rename(settings.storage_root)
    assert (await client.get("/health/ready")).status_code == 200


async def test_a_server_without_database_waits_for_it(
    client: httpx.AsyncClient, server_address: str, database: str, kept: Look
) -> None:
    """While the database is away nothing is kept and nothing told of it; afterwards all goes on by itself."""
    files = {"file": ("memo.wav", recording("wav"))}
    async with database_away(server_address, database):
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["parts"]) == (503, READY | {"database": "not well"})
        for answer in (await client.get("/api/audio/"), await client.post("/api/audio/upload", files=files)):
            told = problem(answer, status=503, slug="database-unavailable")
            assert answer.headers["retry-after"]
            assert "test_" not in told["detail"]
    assert (await kept()).files == set()
    assert (await client.get("/health/ready")).status_code == 200
    assert (await client.post("/api/audio/upload", files=files)).status_code == 200


async def test_errors_of_the_framework_are_problems_too(client: httpx.AsyncClient) -> None:
    """An unknown path and a method that isn't there are told in the same form as everything else."""
    problem(await client.get("/nowhere"), status=404, slug="path-unknown")
    answer = await client.patch("/api/audio/")
    problem(answer, status=405, slug="method-not-allowed")
    assert answer.headers["allow"] == "GET"


async def test_the_documentation_is_served(client: httpx.AsyncClient) -> None:
    """Whoever opens /docs in a browser finds every call."""
    assert (await client.get("/docs")).status_code == 200
    assert "/api/audio/upload" in (await client.get("/openapi.json")).json()["paths"]


async def test_every_answer_names_its_request(client: httpx.AsyncClient) -> None:
    """A request's id, given by the client or made here, stands in the answer as it does in the log."""
    assert (await client.get("/health", headers={"X-Request-ID": "abc-1"})).headers["x-request-id"] == "abc-1"
    made = (await client.get("/health", headers={"X-Request-ID": "a b\x1b"})).headers["x-request-id"]
    assert made.isalnum()
