"""What is sent behind a request before its answer: good or bad, it doesn't change that answer, and is bounded."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import Look
from tests.api.test_main import forked
from tests.api.uploads.test_serving import END, FILE_HEAD, WAV, Wire, head, wire

GET = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
UPLOAD = FILE_HEAD + WAV + bytes(300_000) + END
STREAM = b"GET /api/audio/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
GARBAGE = {
    "bytes": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "much": bytes(range(256)) * 20_000,
    "a wrong version": b"GET / HTTP/9.9\r\n\r\n",
    "no head": b"A: b\r\n" * 1000 + b"\r\n",
    "a line end within a name": GET + b"A\rB: c\r\n\r\n",
}
SECONDS = 20


async def statuses(client: Wire) -> list[int]:
    """The status of each answer that comes, until the connection is closed."""
    async with asyncio.timeout(SECONDS):
        return [status for status, _, _ in await client.answers()]


async def send(client: Wire, sent: bytes) -> None:
    """Sends it without waiting until the server has taken it."""
    client.writer.write(sent)


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("apart", [False, True], ids=["at once", "a moment later"])
async def test_garbage_behind_a_request_does_not_change_its_answer(server: str, name: str, *, apart: bool) -> None:
    """Good requests are answered; what can't be read behind them is refused afterwards."""
    async with wire(server) as client:
        await send(client, (GET + b"\r\n") * 2)
        if apart:
            await asyncio.sleep(0)
        await send(client, GARBAGE[name])
        assert await statuses(client) == [200, 200, 400]


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_behind_an_upload_does_not_lose_it(server: str, kept: Look, name: str) -> None:
    """A recording is kept and acknowledged whatever its client sends behind it."""
    async with wire(server) as client:
        await send(client, head(length=len(UPLOAD)) + UPLOAD + GARBAGE[name])
        assert await statuses(client) == [200, 400]
    assert len((await kept()).rows) == 1


@pytest.mark.parametrize("start", [GET + b"Connection: close\r\n\r\n", GET.replace(b"1.1", b"1.0") + b"\r\n"])
@pytest.mark.parametrize("name", GARBAGE)
async def test_behind_the_last_request_nothing_is_read(server: str, start: bytes, name: str) -> None:
    """Behind a request that its client called the last there is nothing that could be wrong (RFC 9112, 9.6)."""
    async with wire(server) as client:
        await send(client, start + GARBAGE[name])
        assert await statuses(client) == [200]


async def test_a_bad_body_behind_a_request_does_not_change_its_answer(server: str) -> None:
    """A request that was sent ahead, with a body that can't be read, is refused behind the answer to the first."""
    bad = head(length=None) + b"5\r\nabcde\r\nnot a size\r\n" + GET + b"\r\n"
    async with wire(server) as client:
        await send(client, GET + b"\r\n" + bad)
        assert await statuses(client) == [200, 400]


async def test_a_bad_body_ends_its_own_request(server: str, kept: Look) -> None:
    """An upload whose chunks stop being chunks is refused as unreadable, and leaves nothing."""
    start = head(length=None) + b"%x\r\n%b\r\n" % (len(FILE_HEAD + WAV), FILE_HEAD + WAV)
    async with wire(server) as client:
        await send(client, start + b"not a size\r\n")
        assert await statuses(client) == [400]
    assert (await kept()).rows == []


async def test_a_bad_body_behind_a_refusal_does_not_change_it(server: str) -> None:
    """A request that was refused before its body stays so when the body turns out to be unreadable."""
    start = head(length=None, more="Origin: http://evil.test")
    async with wire(server) as client:
        await send(client, start)
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (403, "close")
        await send(client, b"not a size\r\n" + b"a" * 1_000_000)
        assert await statuses(client) == []


@pytest.mark.parametrize("extra", [b"", b"Connection: upgrade\r\nUpgrade: a\r\n"], ids=["plain", "offering an upgrade"])
async def test_requests_sent_ahead_are_bounded(server: str, extra: bytes) -> None:
    """Thousands of requests at once: the first are answered in order, then the client hears that it is too much."""
    async with wire(server) as client:
        await send(client, (GET + extra + b"\r\n") * 4000)
        answered = await statuses(client)
    assert answered[-1] == 429
    assert set(answered[:-1]) == {200}
    assert len(answered) < 4000


async def test_a_few_requests_may_be_sent_ahead(server: str) -> None:
    """A dozen requests that come at once are all answered, again and again, on one connection."""
    async with wire(server) as client:
        for _ in range(20):
            await send(client, (GET + b"\r\n") * 12)
            assert [(await client.answer())[0] for _ in range(12)] == [200] * 12


async def test_a_stream_ends_with_its_client_whatever_was_sent_ahead(
    server: str, far_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that asks for events, sends a request ahead and goes leaves no stream open."""
    monkeypatch.setattr("api.protocols.event_stream.HEARTBEAT_SECONDS", 0.2)  # it is noticed when something is sent

    async def streams() -> str:
        lines = (await far_client.get("/metrics")).text.splitlines()
        return next(line.split()[1] for line in lines if line.startswith("pegasus_event_streams_open"))

    for ahead in (GET + b"\r\n", head(length=900_000) + UPLOAD, b"\x00garbage"):
        async with wire(server) as client:
            await send(client, STREAM + b"\r\n")
            assert b"200 OK" in await client.read(15)
            await send(client, ahead)
            assert await streams() == "1.0"
        async with asyncio.timeout(SECONDS):
            while await streams() != "0.0":
                await asyncio.sleep(0.05)


async def test_streams_of_one_caller_are_bounded_even_at_once(server: str) -> None:
    """Of eighty streams that one caller asks for at the same moment, fifty are opened."""

    async def ask(client: Wire) -> bytes:
        await client.send(STREAM + b"Last-Event-ID: 1\r\n\r\n")
        return await client.read(12)

    async with asyncio.timeout(SECONDS):
        clients = [wire(server) for _ in range(80)]
        entered = [await client.__aenter__() for client in clients]
        answers = await asyncio.gather(*map(ask, entered))
        for client in clients:
            await client.__aexit__(None, None, None)
    assert sorted(answers) == [b"HTTP/1.1 200"] * 50 + [b"HTTP/1.1 429"] * 30


@pytest.mark.parametrize("method", [b"FOO", b"get", b"GETS"])
async def test_a_method_that_is_not_known_is_refused_as_that(server: str, method: bytes) -> None:
    """A request that is well-formed but for a method that nobody knows is told so (RFC 9110, 9.1)."""
    async with wire(server) as client:
        await send(client, GET.replace(b"GET", method, 1) + b"\r\n")
        status, headers, body = await client.answer()
    assert (status, headers["connection"]) == (400, "close")
    assert json.loads(body)["type"] == "urn:pegasus:problem:method-unknown"


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip,chunked", "gzip\r\nTransfer-Encoding: chunked", ", chunked"])
async def test_a_transfer_coding_that_is_not_known_is_refused(server: str, kept: Look, coding: str) -> None:
    """A body in another transfer coding than chunked is nothing that could be taken in (RFC 9112, 6.1)."""
    lines = ["POST /api/audio/upload HTTP/1.1", "Host: 127.0.0.1", "Content-Type: multipart/form-data; boundary=b"]
    start = "\r\n".join([*lines, f"Transfer-Encoding: {coding}", "", ""]).encode()
    async with wire(server) as client:
        await send(client, start + b"%x\r\n" % len(UPLOAD) + UPLOAD + b"\r\n0\r\n\r\n")
        status, headers, body = await client.answer()
        assert (status, headers["connection"]) == (501, "close")
        assert json.loads(body)["type"] == "urn:pegasus:problem:transfer-coding-unknown"
        assert await statuses(client) == []
    assert (await kept()).rows == []


async def test_the_event_loop_of_production_keeps_answers_as_well(tmp_path: Path, database: str) -> None:
    """The real program, on the event loop that it has, answers what is owed and loses nothing to what is behind it."""
    upload, garbage = head(length=len(UPLOAD)) + UPLOAD, GARBAGE["much"]
    with forked(tmp_path, DATABASE_URL=database, PROCESSING="off") as run:
        for sent, expected in (
            (GET + b"\r\n" + garbage, [200, 400]),
            (GET + b"Connection: close\r\n\r\n" + garbage, [200]),
            (upload + garbage, [200, 400]),
            (upload * 3 + GET.replace(b"1.1", b"1.0") + b"\r\n", [200] * 4),
            (head(length=None) + b"not a size\r\n" + garbage, [400]),
        ):
            async with wire(run.url()) as client:
                await send(client, sent)
                assert await statuses(client) == expected
        for sent, expected in ((upload, [200]), (GET + b"\r\n" + upload, [200, 200]), (upload[:-1], [])):
            async with wire(run.url()) as client:
                await send(client, sent)
                client.writer.write_eof()
                assert await statuses(client) == expected
    assert [event for event in run.events() if "exception" in event] == []


async def test_te_names_what_the_client_reads(server: str) -> None:
    """The header TE is about the answer's coding (RFC 9110, 10.1.4), and changes nothing."""
    async with wire(server) as client:
        await send(client, GET + b"TE: gzip, chunked\r\nConnection: TE\r\n\r\n")
        assert (await client.answer())[0] == 200
