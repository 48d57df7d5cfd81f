"""What clients do to connections: over both ways, an upload is taken whole and once, or refused and gone."""

import asyncio
import hashlib
import json
import random
import socket
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from core.database.engine import POOL_SIZE
from core.settings import Settings
from tests.api.conftest import Look
from tests.api.uploads.test_serving import END, FILE_HEAD, WAV, Wire, head, until_kept, wire

LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BUFFER = 4096


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers of 4 KiB, and a turn of 16 KiB: every edge there is comes often."""
    monkeypatch.setattr("api.http1.socket_transfer.BUFFER_BYTES", BUFFER)
    monkeypatch.setattr("api.http1.socket_transfer.TURN_BYTES", 4 * BUFFER)
    monkeypatch.setattr("api.http1.socket_transfer._spare_buffers", [])


def content_of(size: int, *, seed: int) -> bytes:
    """A recording of that many bytes, no two parts of which are alike."""
    return WAV[:5000] + random.Random(seed).randbytes(size - 5000)


async def send_in_pieces(client: Wire, body: bytes, *, seed: int) -> None:
    """Sends the bytes as a bad line does: in pieces of any size, with pauses of any length."""
    chance, at = random.Random(seed), 0
    while at < len(body):
        size = chance.choice([1, 7, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER, 65536])
        await client.send(body[at : at + size])
        at += size
        if chance.random() < 0.2:
            await asyncio.sleep(chance.choice([0, 0.001, 0.007]))


async def test_no_byte_is_lost_or_read_twice(server: str, kept: Look, settings: Settings, small_buffers: None) -> None:
    """Uploads that come in any pieces, one behind the other on one connection and with requests between, are exact."""
    sent = []
    async with wire(server) as client:
        for seed in range(12):
            content = content_of(40_000 + seed * 1013, seed=seed)
            sent.append(hashlib.sha256(content).hexdigest())
            body = FILE_HEAD + content + END
            await send_in_pieces(client, head(length=len(body)) + body + LIVE, seed=seed)
            assert [(await client.answer())[0] for _ in range(2)] == [200, 200]
    rows = (await kept()).rows
    kept_digests = [hashlib.sha256((settings.storage_root / row["file_path"]).read_bytes()) for row in rows]
    assert Counter(digest.hexdigest() for digest in kept_digests) == Counter(sent)


@pytest.mark.parametrize("over", [-1, 0, 1])
@pytest.mark.parametrize("buffers", [1, 2, 4, 5])
async def test_a_body_may_end_where_a_buffer_ends(
    server: str, kept: Look, small_buffers: None, buffers: int, over: int
) -> None:
    """Wherever in a buffer or a turn a body ends, it is whole, and the connection goes on behind it."""
    first = 20_000  # comes alone, and is read by the event loop
    size = first + buffers * BUFFER + over - len(FILE_HEAD) - len(END)
    body = FILE_HEAD + content_of(size, seed=size) + END
    async with wire(server) as client:
        for _ in range(2):
            await client.send(head(length=len(body)), body[:first])
            await client.until_read()
            await client.send(body[first:] + LIVE)
            assert [(await client.answer())[0] for _ in range(2)] == [200, 200]
    assert [row["file_size_bytes"] for row in (await kept()).rows] == [size, size]


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 10\r\nContent-Length: 10",
        "Content-Length: 10\r\nContent-Length: 999999",
        "Content-Length: 10\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Content-Length: -1",
        "Content-Length: 0x10",
        "Content-Length: +5",
        "Content-Length: 1e3",
        "Content-Length: ",
        "Content-Length: 5, 5",
        f"Content-Length: {10**30}",
    ],
)
async def test_a_body_of_doubtful_length_is_refused(server: str, kept: Look, lines: str) -> None:
    """A request that says two things of its length, or none that is a number, is refused and the connection ended."""
    start = "POST /api/audio/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    async with wire(server) as client:
        await client.send(f"{start}{lines}\r\n\r\n".encode() + FILE_HEAD + WAV + END)
        status, headers, body = await client.answer()
        assert (status, headers["content-type"]) == (400, "application/problem+json")
        assert json.loads(body)["type"] == "urn:pegasus:problem:request-malformed"
        with suppress(ConnectionError):
            assert await client.closed()
    assert await kept() == type(await kept())([], set())


async def test_an_upload_without_a_body_is_refused(server: str, kept: Look) -> None:
    """A body of no bytes, or none at all, is an unreadable form, and the connection goes on."""
    async with wire(server) as client:
        for start in (head(length=0), head(length=0).replace(b"Content-Length: 0\r\n", b"")):
            await client.send(start + LIVE)
            assert [(await client.answer())[0] for _ in range(2)] == [400, 200]
    assert (await kept()).files == set()


@pytest.mark.parametrize("together", [True, False])
async def test_an_upload_may_offer_an_upgrade(server: str, kept: Look, *, together: bool) -> None:
    """A client that would rather speak another protocol, as curl --http2 says it would, is answered in this one."""
    body = FILE_HEAD + content_of(400_000, seed=1) + END
    more = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ"
    start = head(length=len(body), more=more)
    async with wire(server) as client:
        for _ in range(2):
            if together:
                await client.send(start + body + LIVE)
            else:
                await send_in_pieces(client, start, seed=1)
                await client.send(body + LIVE)
            assert [(await client.answer())[0] for _ in range(2)] == [200, 200]
    assert len((await kept()).rows) == 2


async def test_a_head_without_an_end_is_refused(server: str) -> None:
    """A client that sends header after header is stopped."""
    async with wire(server) as client:
        await client.send(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-More: more\r\n" * 6000)
        status, headers, _ = await client.answer()
        assert (status, headers["content-type"]) == (431, "application/problem+json")


@pytest.mark.parametrize("sent", [b"", b"GET /health/live HTTP/1.1\r\nHo", LIVE + b"\r\n"])
async def test_a_connection_is_not_held_by_silence(server: str, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """A client that connects and says nothing, or half of a head, is left; so is one that only ends lines."""
    monkeypatch.setattr("api.http1.http_protocol.HEAD_SECONDS", 0.5)
    async with wire(server) as client:
        await client.send(sent)
        if LIVE in sent:
            assert (await client.answer())[0] == 200
        assert await client.closed()


@pytest.mark.parametrize("ending", ["reset", "closed", "half-closed"])
async def test_broken_off_uploads_leave_no_descriptor(server: str, kept: Look, ending: str) -> None:
    """Two hundred uploads that end in their midst, however they do, leave no file, no row and no open descriptor."""
    body = FILE_HEAD + WAV + bytes(900_000) + END
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{server}/health")).status_code == 200
    before = descriptors()
    for at in range(10):
        await asyncio.gather(*(break_off(server, body, sent=at * 80_000 + one, ending=ending) for one in range(20)))
    await until_kept(kept, files=0)
    async with asyncio.timeout(60):
        while descriptors() > before + POOL_SIZE:  # connections to the database, which stay
            await asyncio.sleep(0.1)
    assert (await kept()).rows == []


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def break_off(server: str, body: bytes, *, sent: int, ending: str) -> None:
    """Sends some of an upload, and goes."""
    async with wire(server) as client:
        with suppress(ConnectionError):
            await client.send(head(length=len(body)), body[:sent])
            if ending == "half-closed":
                client.writer.write_eof()
                await client.closed()
            elif ending == "closed":
                client.writer.close()
            else:
                linger = bytes([1, 0, 0, 0, 0, 0, 0, 0])
                client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


@pytest.fixture
def soon_too_slow(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of patience instead of thirty; on both ways as much is gathered as in production."""
    monkeypatch.setattr("api.http1.request_body.PACE_SECONDS", 1)
    monkeypatch.setattr("api.http1.request_body.GATHERED_BYTES", 128 * 1024)


async def test_a_client_that_drips_is_sent_away(
    soon_too_slow: None, server: str, kept: Look, small_buffers: None
) -> None:
    """A byte every millisecond is no upload either: the client is answered, and no thread is held by it."""
    body = FILE_HEAD + content_of(400_000, seed=1) + END
    async with wire(server) as client:
        await client.send(head(length=len(body)), body[:200_000])
        dripping = asyncio.create_task(drip(client, body[200_000:]))
        try:
            status, headers, _ = await client.answer()
        finally:
            dripping.cancel()
        assert (status, headers["connection"]) == (408, "close")
    await until_kept(kept, files=0)


async def drip(client: Wire, body: bytes) -> None:
    """Sends byte by byte, which is never silent and never gets anywhere."""
    with suppress(ConnectionError):
        for at in range(len(body)):
            await client.send(body[at : at + 1])
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("sent", [0, len(FILE_HEAD) + 10, 200_000])
async def test_a_client_that_falls_silent_is_sent_away(soon_too_slow: None, server: str, kept: Look, sent: int) -> None:
    """A client that stops sending, at its first byte or its last, is told so, and leaves nothing."""
    body = FILE_HEAD + content_of(400_000, seed=1) + END
    async with wire(server) as client:
        await client.send(head(length=len(body)), body[:sent])
        assert (await client.answer())[0] == 408
    await until_kept(kept, files=0)
