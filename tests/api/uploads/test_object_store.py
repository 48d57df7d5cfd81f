"""The application on a real object store: what it takes in, and what it does when that is slow, away or refuses."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.application import create_app
from app.object_store import bucket_of
from app.startup import prepare
from core.errors import SettingRefused
from core.settings import Settings, load_settings
from storage.s3.chunks import CHUNK_BYTES
from storage.s3.multipart_upload import unfinished
from storage.s3.upkeep import S3Upkeep
from tests.api.conftest import Look, Started, Upload, problem
from tests.api.processing import ended, working
from tests.api.uploads.test_tus_breaks import BYTES, MIB, TUS, begin, large, offset_of
from tests.conftest import RunSql
from tests.object_store import ObjectStore
from tests.stored import Stored

pytestmark = pytest.mark.xdist_group("object store")
CONTENT = large(2 * CHUNK_BYTES + 3 * MIB)


@pytest.fixture
def storage_settings(object_store: ObjectStore) -> dict[str, Any]:
    """A place of its own in a bucket, whatever the run was asked for; recordings may be large."""
    return object_store.settings()


@pytest.fixture
def settings(database: str, tmp_path: Path, storage_settings: dict[str, Any]) -> Settings:
    """The settings of a server on the object store."""
    return load_settings(
        database_url=database, data_path=tmp_path / "data", port=0, processing="off", **storage_settings
    )


async def pieces(content: bytes, *, midway: asyncio.Event | None = None, go_on: asyncio.Event | None = None) -> Any:
    """The content as a client sends it; in the middle it may say so and wait."""
    for at in range(0, len(content), 256 * 1024):
        if midway is not None and go_on is not None and at >= len(content) * 3 // 4 and not midway.is_set():
            midway.set()
            await go_on.wait()
        yield content[at : at + 256 * 1024]


def form(content: Any, *, length: int) -> dict[str, Any]:
    """A form with one file, which is streamed."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="memo.wav"\r\n\r\n'
    tail = b"\r\n--x--\r\n"

    async def body() -> AsyncIterator[bytes]:
        yield head
        async for piece in content:
            yield piece
        yield tail

    size = str(len(head) + length + len(tail))
    return {"content": body(), "headers": {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": size}}


async def is_whole(kept: Look, settings: Settings, content: bytes) -> dict[str, Any]:
    """Checks that there is one recording, byte by byte, with its manifest, and nothing else, not even parts."""
    [row] = (await kept()).rows
    stored = Stored(settings)
    assert stored.read(row["file_path"]) == content
    manifest = json.loads(stored.read(f"{row['file_path']}.json"))
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert (await kept()).files == {row["file_path"], f"{row['file_path']}.json"}
    assert list(unfinished(bucket_of(settings, settings.storage))) == []
    return row


async def test_a_large_form_is_one_object(server: str, settings: Settings, kept: Look) -> None:
    """What comes by a real connection is stored whole, comes back whole and in ranges, and is deleted whole."""
    async with httpx.AsyncClient(base_url=server, timeout=60) as client:
        answer = await client.post("/api/audio/upload", **form(pieces(CONTENT), length=len(CONTENT)))
        assert answer.status_code == 200, answer.text
        await is_whole(kept, settings, CONTENT)
        url = f"/api/audio/{answer.json()['id']}"
        assert (await client.get(f"{url}/download")).content == CONTENT
        part = await client.get(f"{url}/download", headers={"Range": f"bytes={CHUNK_BYTES - 5}-{CHUNK_BYTES + 5}"})
        assert (part.status_code, part.content) == (206, CONTENT[CHUNK_BYTES - 5 : CHUNK_BYTES + 6])
        assert (await client.delete(url)).status_code == 200
        assert (await kept()).files == set()


async def test_a_download_may_come_from_the_object_store(client: httpx.AsyncClient, upload: Upload) -> None:
    """Whoever asks for it is sent to the object store, which tells the right type and name; nobody else is."""
    told = await upload(file_name="Mémo.wav")
    url = f"/api/audio/{told['id']}/download"
    here = await client.get(url)
    answer = await client.get(url, params={"redirect": "1"})
    assert (answer.status_code, answer.content) == (307, b"")
    assert answer.headers["cache-control"] == "no-store"
    async with httpx.AsyncClient() as anybody:
        there = await anybody.get(answer.headers["location"])
    assert (there.status_code, there.content) == (200, here.content)
    for header in ("content-type", "content-disposition"):
        assert there.headers[header] == here.headers[header]
    await client.delete(f"/api/audio/{told['id']}")
    assert (await client.get(url, params={"redirect": "1"})).status_code == 404


async def test_every_replica_takes_the_next_piece(settings: Settings, kept: Look) -> None:
    """The pieces of an upload come to three servers in turn, which know nothing of each other but what is stored."""
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(replica(settings)) for _ in range(3)]
        where = await begin(replicas[0], len(CONTENT))
        for number, at in enumerate(range(0, len(CONTENT), 5 * MIB)):
            client = replicas[number % 3]
            answer = await client.patch(
                where, content=CONTENT[at : at + 5 * MIB], headers=BYTES | {"Upload-Offset": str(at)}
            )
            assert answer.status_code == 204, answer.text
            assert await offset_of(replicas[(number + 1) % 3], where) == int(answer.headers["upload-offset"])
        assert answer.headers["upload-recording-id"]
    await is_whole(kept, settings, CONTENT)


async def test_a_replica_takes_an_upload_over(settings: Settings, kept: Look) -> None:
    """A request that stalls at one server lets go when another is asked, and what had arrived is kept."""
    midway, never = asyncio.Event(), asyncio.Event()
    async with replica(settings) as one, replica(settings) as two:
        where = await begin(one, len(CONTENT))
        stalled = asyncio.create_task(
            one.patch(
                where,
                content=pieces(CONTENT, midway=midway, go_on=never),
                headers=BYTES | {"Upload-Offset": "0", "Content-Length": str(len(CONTENT))},
            )
        )
        await midway.wait()
        offset = await offset_of(two, where)
        assert offset > len(CONTENT) // 2
        problem(await stalled, status=400, slug="upload-taken-over")
        answer = await two.patch(where, content=CONTENT[offset:], headers=BYTES | {"Upload-Offset": str(offset)})
        assert answer.status_code == 204
    await is_whole(kept, settings, CONTENT)


@asynccontextmanager
async def replica(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of one more application."""
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(app=Started(app, dict(state or {})), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=TUS) as client:
            yield client


@pytest.mark.parametrize("name", ["wav", "flac", "amr"])
async def test_a_recording_is_processed(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, name: str, kept: Look
) -> None:
    """A worker fetches what it decodes, and leaves nothing on its disk; outline and variant lie beside the bytes."""
    told = await upload(name)
    async with working(settings):
        [found] = await ended(client, told)
    assert (found["processing_status"], found["error_message"]) == ("completed", None)
    assert (await client.get(f"/api/audio/{told['id']}/waveform")).json()["data"]
    assert (await client.get(f"/api/audio/{told['id']}/download?variant=playback")).status_code == 200
    assert [path for path in settings.data_path.rglob("*") if path.is_file()] == []
    await client.delete(f"/api/audio/{told['id']}")
    assert (await kept()).files == set()


@pytest.fixture
def stoppable(object_store: ObjectStore) -> Iterator[ObjectStore]:
    """The object store, which runs again behind the test."""
    yield object_store
    if not object_store.is_running:
        object_store.start()


async def test_a_form_fails_while_the_object_store_is_away(
    settings: Settings, kept: Look, stoppable: ObjectStore
) -> None:
    """A form whose object store goes away in the middle is told to come again, and leaves nothing in the end."""
    midway, go_on = asyncio.Event(), asyncio.Event()
    async with replica(settings) as client:
        content = pieces(CONTENT, midway=midway, go_on=go_on)
        sending = asyncio.create_task(client.post("/api/audio/upload", **form(content, length=len(CONTENT))))
        await midway.wait()
        stoppable.stop()
        go_on.set()
        answer = await sending
        problem(answer, status=503, slug="storage-unavailable")
        assert answer.headers["retry-after"]
        assert (await client.get("/health/ready")).json()["parts"]["storage"] == "not well"
        stoppable.start()
        assert (await client.get("/health/ready")).status_code == 200
        assert (await kept()).rows == []
        await S3Upkeep(bucket_of(settings, settings.storage)).expire_staged(older_than_seconds=-60, dry_run=False)
        assert (await kept()).files == set()
        again = await client.post("/api/audio/upload", **form(pieces(CONTENT), length=len(CONTENT)))
        assert again.status_code == 200
    await is_whole(kept, settings, CONTENT)


async def test_an_upload_goes_on_when_the_object_store_is_back(
    settings: Settings, kept: Look, stoppable: ObjectStore
) -> None:
    """A resumable upload whose object store goes away in the middle goes on from what was acknowledged, or later."""
    midway, go_on = asyncio.Event(), asyncio.Event()
    async with replica(settings) as client:
        where = await begin(client, len(CONTENT))
        first = await client.patch(where, content=CONTENT[: 3 * MIB], headers=BYTES | {"Upload-Offset": "0"})
        assert first.status_code == 204
        content = pieces(CONTENT[3 * MIB :], midway=midway, go_on=go_on)
        headers = BYTES | {"Upload-Offset": str(3 * MIB), "Content-Length": str(len(CONTENT) - 3 * MIB)}
        sending = asyncio.create_task(client.patch(where, content=content, headers=headers))
        await midway.wait()
        stoppable.stop()
        go_on.set()
        answer = await sending
        problem(answer, status=503, slug="storage-unavailable")
        stoppable.start()
        offset = await offset_of(client, where)
        assert offset >= 3 * MIB
        answer = await client.patch(where, content=CONTENT[offset:], headers=BYTES | {"Upload-Offset": str(offset)})
        assert answer.headers["upload-recording-id"]
    await is_whole(kept, settings, CONTENT)


class Breaking:
    """Stands between the server and its object store, and cuts every connection after some bytes."""

    def __init__(self, endpoint: str, *, every_bytes: int) -> None:
        self._there = urlsplit(endpoint)
        self._every_bytes = every_bytes
        self._passed = 0
        self.cut = 0
        self._tasks: set[asyncio.Future[None]] = set()
        self.endpoint = ""

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """While it stands there."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.ensure_future(self._between(reader, writer)))

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._there.hostname, self._there.port)
        ends = [asyncio.create_task(self._pass(reader, back)), asyncio.create_task(self._pass(there, writer))]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in (back, writer):
                end.transport.abort()
            for task in ends:
                task.cancel()
            await asyncio.wait(ends)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                self._passed += len(piece)
                if self._passed > self._every_bytes:
                    self._passed = 0
                    self.cut += 1
                    return
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            return


async def test_killed_connections_lose_nothing(settings: Settings, object_store: ObjectStore, kept: Look) -> None:
    """However often connections to the object store break, each upload ends whole, or is told and can be gone on."""
    breaking = Breaking(object_store.endpoint, every_bytes=13 * MIB)
    async with breaking.standing():
        through = Settings(**settings.model_dump() | {"aws_endpoint_url": breaking.endpoint})
        async with replica(through) as client:
            where, offset, answer = await begin(client, len(CONTENT)), 0, None
            for _ in range(100):
                state = await client.head(where)
                if state.status_code != 200:
                    continue
                if "upload-recording-id" in state.headers:
                    break
                offset = int(state.headers["upload-offset"])
                content = CONTENT[offset : offset + 3 * MIB]
                answer = await client.patch(where, content=content, headers=BYTES | {"Upload-Offset": str(offset)})
                assert answer.status_code in {204, 503}, answer.text
    assert breaking.cut > 3
    upkeep = S3Upkeep(bucket_of(settings, settings.storage))
    await upkeep.expire_staged(older_than_seconds=-60, dry_run=False)
    await is_whole(kept, settings, CONTENT)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            {"aws_secret_access_key": "wrong"},
            "STORAGE names a bucket that can't be used: the object store refuses AWS_",
        ),
        ({"aws_endpoint_url": "http://127.0.0.1:9"}, "STORAGE names a bucket that can't be used: the object store"),
        ({"aws_secret_access_key": None}, "AWS_SECRET_ACCESS_KEY has no value"),
        ({"aws_access_key_id": None}, "AWS_ACCESS_KEY_ID has no value"),
    ],
)
async def test_what_is_set_wrong_ends_the_start(settings: Settings, wrong: dict[str, Any], told: str) -> None:
    """A server whose object store refuses it doesn't start, and says which setting it is in one sentence."""
    with pytest.raises(SettingRefused, match=told) as refused:
        await prepare(Settings(**settings.model_dump() | wrong))
    assert "127.0.0.1" not in str(refused.value)


async def test_rows_from_elsewhere_have_no_bytes(client: httpx.AsyncClient, run_sql: RunSql) -> None:
    """What names a place outside of the bucket is not there, and nothing else happens."""
    for number, path in enumerate(["/etc/passwd", "../x", ".pegasus/id", ".staging/x", "a/../.pegasus/id"]):
        recording_id = f"00000000-0000-4000-8000-00000000000{number}"
        await run_sql(
            "INSERT INTO audio_files (id, filename, file_path, processing_status) VALUES ($1, 'x', $2, 'completed')",
            recording_id,
            path,
        )
        answer = await client.get(f"/api/audio/{recording_id}/download")
        problem(answer, status=404, slug="bytes-missing")
        assert (await client.delete(f"/api/audio/{recording_id}")).status_code == 200
    assert (await client.get("/health/ready")).status_code == 200
