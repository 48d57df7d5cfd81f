"""PostgreSQL stops in the midst of an upload: told as that, nothing left over, and well again with it."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.schema_healing import bring_up_to_date
from core.postgres.embedded import EmbeddedPostgres, join
from core.settings import Settings, load_settings
from tests.api.conftest import Look
from tests.api.uploads.test_serving import END, FILE_HEAD, WAV, head, until_kept, wire
from tests.conftest import fresh_database

pytestmark = pytest.mark.xdist_group("a database that goes")  # one worker makes the server
BODY = FILE_HEAD + WAV + bytes(300_000) + END


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that is stopped for nobody else; each test leaves it running again."""
    with tempfile.TemporaryDirectory(prefix="pegasus-") as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        server = join(Path(folder))
        yield server
        server.leave()


@pytest.fixture
async def database(own_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database on it, made ready."""
    async with fresh_database(own_server.address, template="template0") as address:
        await bring_up_to_date(load_settings(database_url=address))
        yield address


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    """The settings of a server that uses it."""
    return load_settings(database_url=database, data_path=tmp_path / "data", port=0)


async def stop(server: EmbeddedPostgres, how: signal.Signals) -> None:
    """Stops PostgreSQL as `pg_ctl stop` does: SIGINT ends its sessions, SIGQUIT doesn't even say so."""
    pid = int((server._cluster / "postmaster.pid").read_text().split()[0])
    os.kill(pid, how)
    while Path(f"/proc/{pid}").exists():
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
async def test_an_upload_outlives_its_database(
    server: str, kept: Look, own_server: EmbeddedPostgres, how: signal.Signals
) -> None:
    """An upload under way is answered that the database is gone, and when to come again; then it is taken."""
    async with wire(server) as client, wire(server) as other:
        await client.send(head(length=len(BODY)), BODY[:200_000])
        await until_kept(kept, files=1)
        await stop(own_server, how)
        await client.send(BODY[200_000:])
        await other.send(head(length=len(BODY)), BODY)
        for refused in (client, other):
            status, headers, body = await refused.answer()
            assert status == 503, body
            assert headers["retry-after"] == "5"
            assert headers["content-type"] == "application/problem+json"
            assert b"postgres" not in body
        await asyncio.to_thread(own_server.ensure_running)
        assert await kept() == type(await kept())([], set())
    async with wire(server) as client:
        await client.send(head(length=len(BODY)), BODY)
        assert (await client.answer())[0] == 200
    assert (len((await kept()).rows), len((await kept()).files)) == (1, 2)
