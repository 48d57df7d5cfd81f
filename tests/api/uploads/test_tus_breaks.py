"""Resumable uploads whose connections break, stall, or are taken over, on a real server."""

import asyncio
import hashlib
import json
import os
import random
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tusclient.client import TusClient

from core.settings import Settings, load_settings
from tests.api.conftest import Look, problem
from tests.api.uploads.test_serving import Wire, wire
from tests.audio.samples import recording
from tests.stored import Stored

URL = "/api/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = TUS | {"Content-Type": "application/offset+octet-stream"}
MIB = 1024 * 1024
LONG = (pytest.mark.soak, pytest.mark.timeout(1800))
WAYS = ("closed", "reset", "stalled")


@pytest.fixture
def settings(database: str, tmp_path: Path, storage_settings: dict[str, Any]) -> Settings:
    """The settings of a server for large recordings."""
    return load_settings(
        database_url=database,
        data_path=tmp_path / "data",
        max_file_size_mb=500,
        port=0,
        processing="off",
        **storage_settings,
    )


def large(size: int) -> bytes:
    """A recording of that many bytes, no two parts of which are alike."""
    return (recording("wav") + random.Random(size).randbytes(size))[:size]


@asynccontextmanager
async def speaking(server: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that speaks tus."""
    async with httpx.AsyncClient(base_url=server, headers=TUS, timeout=60) as client:
        yield client


async def begin(client: httpx.AsyncClient, length: int) -> str:
    """Begins an upload and returns where it goes on."""
    answer = await client.post(URL, headers={"Upload-Length": str(length)})
    assert answer.status_code == 201, answer.text
    return httpx.URL(answer.headers["location"]).path


def patch_head(where: str, offset: int, length: int | None, **more: str) -> bytes:
    """The head of a PATCH of that many bytes; None sends them in chunks."""
    size = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
    headers = BYTES | {"Host": "127.0.0.1", "Upload-Offset": str(offset)} | size | more
    return "".join([f"PATCH {where} HTTP/1.1\r\n", *(f"{n}: {v}\r\n" for n, v in headers.items()), "\r\n"]).encode()


async def offset_of(client: httpx.AsyncClient, where: str) -> int:
    """From where an upload goes on."""
    answer = await client.head(where)
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


async def until_there(settings: Settings, size: int) -> None:
    """Waits until the only upload has been begun, and so many bytes of it have been written."""
    stored = Stored(settings)
    while not (found := [size for name, size in stored.sizes().items() if "-" in name]) or sum(found) < size:
        await asyncio.sleep(0.02)


async def is_whole(kept: Look, settings: Settings, content: bytes) -> dict[str, Any]:
    """Checks that there is one recording, byte by byte, with its manifest, and nothing else."""
    [row] = (await kept()).rows
    assert Stored(settings).read(row["file_path"]) == content
    assert (
        json.loads(Stored(settings).read(f"{row['file_path']}.json"))["sha256"] == hashlib.sha256(content).hexdigest()
    )
    assert (await kept()).files == {row["file_path"], f"{row['file_path']}.json"}
    return row


def break_off(client: Wire, way: str) -> None:
    """Ends a connection, or only stops to send."""
    if way == "closed":
        client.writer.close()
    elif way == "reset":
        client.writer.transport.abort()


async def send_in_breaks(server: str, content: bytes, *, chunked: bool, seed: int) -> int:
    """Uploads with 20 breaks at random places, and returns how many bytes had to be sent again."""
    chance, again, offset = random.Random(seed), 0, 0
    places = sorted(chance.sample(range(len(content)), 20))
    async with speaking(server) as client, AsyncExitStack() as connections:
        where = await begin(client, len(content))
        # what one broken request had brought may be taken in behind the answer to HEAD: the last piece then asks again
        for place in [*places, *[len(content)] * 5]:
            if place == len(content):
                offset = await offset_of(client, where)
            stop, before = max(place, offset), offset
            connection = await connections.enter_async_context(wire(server))
            await connection.send(patch_head(where, offset, None if chunked else len(content) - offset))
            await connection.send(chunk(content[offset:stop]) if chunked else content[offset:stop])
            if place == len(content):
                await connection.send(b"0\r\n\r\n" if chunked else b"")
                if (await connection.answer())[0] == 204:
                    break
                continue
            break_off(connection, chance.choice(WAYS))
            offset = await offset_of(client, where)
            assert before <= offset <= stop
            again += stop - offset
        assert await offset_of(client, where) == len(content)
    return again


def chunk(content: bytes) -> bytes:
    """Bytes as they are sent where their number isn't known."""
    return f"{len(content):x}\r\n".encode() + content + b"\r\n" if content else b""


@pytest.mark.parametrize("chunked", [False, True], ids=["read directly", "chunked"])
@pytest.mark.parametrize("size", [20 * MIB, pytest.param(200 * MIB, marks=LONG)], ids=["20 MiB", "200 MiB"])
async def test_broken_connections_lose_nothing(
    server: str, kept: Look, settings: Settings, size: int, *, chunked: bool
) -> None:
    """However an upload is broken off, 20 times, what had arrived counts, and it becomes whole."""
    content = large(size)
    again = await send_in_breaks(server, content, chunked=chunked, seed=size)
    await is_whole(kept, settings, content)
    print(f"{size // MIB} MiB: of 20 breaks {again} bytes had to be sent again")


@pytest.mark.folder  # where bytes are seen as soon as they are written
@pytest.mark.parametrize("sent", [100, 20_000, 100_000, 3 * MIB])
@pytest.mark.parametrize("taker", ["HEAD", "PATCH", "DELETE"])
async def test_a_stalled_request_is_taken_over(
    server: str, kept: Look, settings: Settings, sent: int, taker: str
) -> None:
    """A client that stopped to send, and whose connection still seems open, is no obstacle to the next request."""
    content = large(5 * MIB)
    async with speaking(server) as client, wire(server) as stalled:
        where = await begin(client, len(content))
        await stalled.send(patch_head(where, 0, len(content)), content[:sent])
        await until_there(settings, sent if sent > MIB else 0)
        await stalled.until_read()
        if taker == "HEAD":
            assert await offset_of(client, where) == sent
        elif taker == "DELETE":
            assert (await client.delete(where)).status_code == 204
            assert (await client.head(where)).status_code == 404
            assert (await kept()).files == set()
        else:
            headers = BYTES | {"Upload-Offset": str(sent)}
            assert (await client.patch(where, content=content[sent:], headers=headers)).status_code == 204
            await is_whole(kept, settings, content)
        status, headers, body = await stalled.answer()
        assert (status, json.loads(body)["type"]) == (400, "urn:pegasus:problem:upload-taken-over")
        assert headers["content-type"] == "application/problem+json"


@pytest.mark.folder  # whose disk can be slow
@pytest.mark.parametrize("taker", ["HEAD", "DELETE"])
async def test_a_complete_upload_is_not_taken_over(
    server: str, kept: Look, settings: Settings, monkeypatch: pytest.MonkeyPatch, taker: str
) -> None:
    """Once all bytes are there the upload becomes a recording, whoever asks meanwhile: they wait for it."""
    content, syncing, may_sync, sync = large(2 * MIB), threading.Event(), threading.Event(), os.fsync

    def slow_sync(descriptor: int) -> None:
        if os.fstat(descriptor).st_size == len(content):
            syncing.set()
            may_sync.wait()
        sync(descriptor)

    async with speaking(server) as client, asyncio.TaskGroup() as group:
        where = await begin(client, len(content))
        monkeypatch.setattr("os.fsync", slow_sync)
        headers = BYTES | {"Upload-Offset": "0"}
        patch = group.create_task(client.patch(where, content=content, headers=headers))
        await asyncio.to_thread(syncing.wait)
        taking = group.create_task(client.request(taker, where))
        await asyncio.wait([taking], timeout=0.5)  # an idle request is ended by then
        may_sync.set()
        assert (await patch).status_code == 204
        assert (await taking).status_code == (200 if taker == "HEAD" else 204)
    await is_whole(kept, settings, content)


@pytest.mark.folder  # where bytes are seen as soon as they are written
async def test_a_dripping_client_is_taken_over(server: str, settings: Settings) -> None:
    """A client that never pauses long enough to be waited for lets go all the same."""
    content = large(5 * MIB)

    async def drip(stalled: Wire) -> None:
        for at in range(MIB, len(content), 100):
            await stalled.send(content[at : at + 100])
            await asyncio.sleep(0.001)

    async with speaking(server) as client, wire(server) as stalled:
        where = await begin(client, len(content))
        await stalled.send(patch_head(where, 0, len(content)), content[:MIB])
        dripping = asyncio.create_task(drip(stalled))
        await until_there(settings, MIB + 1000)
        offset = await offset_of(client, where)
        assert offset > MIB
        assert await offset_of(client, where) == offset
        dripping.cancel()
        await asyncio.wait([dripping])
        headers = BYTES | {"Upload-Offset": str(offset)}
        assert (await client.patch(where, content=content[offset:], headers=headers)).status_code == 204


async def test_of_many_requests_at_once_bytes_come_once(server: str, kept: Look, settings: Settings) -> None:
    """Ten clients that all go on with one upload make one whole recording."""
    content = large(3 * MIB)
    async with speaking(server) as client:
        where = await begin(client, len(content))

        async def go_on() -> None:
            for _ in range(50):
                state = await client.head(where)
                if "upload-recording-id" in state.headers:
                    return
                offset = int(state.headers["upload-offset"])
                headers = BYTES | {"Upload-Offset": str(offset)}
                answer = await client.patch(where, content=content[offset : offset + MIB], headers=headers)
                assert answer.status_code in {204, 400, 409, 423}, answer.text

        await asyncio.gather(*(go_on() for _ in range(10)))
    await is_whole(kept, settings, content)


async def test_a_running_checksum_is_taken_back_whole(server: str, kept: Look, settings: Settings) -> None:
    """A wrong checksum over megabytes that were read directly leaves the upload as it was, digest and all."""
    content = large(8 * MIB)
    async with speaking(server) as client:
        where = await begin(client, len(content))
        for start, stop in ((0, 3 * MIB), (3 * MIB, len(content))):
            wrong = {"Upload-Checksum": "sha1 " + "A" * 27 + "="}
            headers = BYTES | {"Upload-Offset": str(start)}
            answer = await client.patch(where, content=bytes(stop - start), headers=headers | wrong)
            problem(answer, status=460, slug="checksum-wrong")
            answer = await client.patch(where, content=content[start:stop], headers=headers)
            assert answer.status_code == 204
    await is_whole(kept, settings, content)


@pytest.mark.parametrize("chunk_bytes", [None, 3 * MIB])
async def test_tuspy_uploads_and_resumes(
    server: str, kept: Look, settings: Settings, tmp_path: Path, chunk_bytes: int | None
) -> None:
    """A client that many use uploads with checksums, breaks off, and goes on."""
    content = large(10 * MIB)
    file = tmp_path / "memo.wav"
    file.write_bytes(content)

    def upload() -> str:
        client = TusClient(f"{server}{URL}")
        told = {"filename": "memo.wav", "tag": "Work"}
        sizes = {} if chunk_bytes is None else {"chunk_size": chunk_bytes}
        with file.open("rb") as stream:
            first = client.uploader(file_stream=stream, metadata=told, upload_checksum=True, **sizes)
            first.upload(stop_at=4 * MIB)
        with file.open("rb") as stream:
            client.uploader(file_stream=stream, url=first.url, upload_checksum=True, **sizes).upload()
        return str(first.url)

    where = await asyncio.to_thread(upload)
    row = await is_whole(kept, settings, content)
    assert where.endswith(f"{URL}/{row['id']}")
    assert (row["original_filename"], row["tag"]) == ("memo.wav", "Work")
