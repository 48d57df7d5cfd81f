"""Input that never ends: wherever in a connection it comes, it is refused, and costs neither memory nor much time."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.conftest import Look, problem
from tests.api.test_main import Run, forked
from tests.api.uploads.test_serving import END, FILE_HEAD, WAV, Wire, head, until_kept, wire
from tests.watching.test_metrics import parsed

MIB = 1024 * 1024
PIECE_BYTES = 64 * 1024
ANSWER_SECONDS = 20
GROWTH_BYTES = 24 * MIB
GET = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = b"POST /api/session HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
GET_CHUNKED = GET + b"Transfer-Encoding: chunked\r\n\r\n"
FIELD = b"A: b\r\n"

# How a connection begins, what then comes without an end, and how that is refused.
ENDLESS = {
    "trailer fields": (CHUNKED + b"0\r\n", FIELD, 431, "head-too-long"),
    "trailer fields of an upload": (head(length=None) + b"0\r\n", FIELD, 431, "head-too-long"),
    "a trailer's name": (CHUNKED + b"0\r\nA", b"a", 400, "framing-too-long"),
    "a trailer's value": (CHUNKED + b"0\r\nA: ", b"a", 400, "framing-too-long"),
    "a chunk's extension": (CHUNKED + b"1;a=", b"a", 400, "framing-too-long"),
    "a chunk's size": (CHUNKED, b"0", 400, "framing-too-long"),
    "extensions of tiny chunks": (CHUNKED, b"1;" + b"a" * 1000 + b"\r\n \r\n", 400, "framing-too-long"),
    "fields": (GET, FIELD, 431, "head-too-long"),
    "a field's name": (GET + b"A", b"a", 431, "head-too-long"),
    "a field's value": (GET + b"A: ", b"a", 431, "head-too-long"),
    "the target": (b"GET /", b"a", 431, "head-too-long"),
    "line ends": (b"", b"\r\n", 431, "head-too-long"),
    "line ends behind a request": (GET + b"\r\n", b"\r\n", 200, None),
    "requests": (b"", GET + b"\r\n", 200, None),
    "offers of an upgrade": (b"", GET + b"Connection: upgrade\r\nUpgrade: a\r\n\r\n", 200, None),
    "trailer fields of what was answered": (GET_CHUNKED + b"0\r\n", FIELD, None, None),
    "a body that nobody reads": (GET_CHUNKED, b"1000\r\n" + b"a" * 0x1000 + b"\r\n", 200, None),
}
REFUSED = {name: attack for name, attack in ENDLESS.items() if attack[3] is not None}


@pytest.fixture
def run(tmp_path: Path, database: str) -> Iterator[Run]:
    """A server in a process of its own, which asks for tokens."""
    with forked(tmp_path, DATABASE_URL=database, AUTH="tokens", PROCESSING="off") as run:
        yield run


def memory_bytes(run: Run) -> int:
    """What the process has in memory."""
    lines = Path(f"/proc/{run.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def flood(address: tuple[str, int], start: bytes, repeated: bytes, *, size_bytes: int) -> Iterator[None]:
    """Sends so many bytes, as long as they are taken, on a connection that reads nothing; yields now and then."""
    piece = repeated * (PIECE_BYTES // len(repeated))
    with suppress(OSError), socket.create_connection(address, timeout=1) as client:
        client.sendall(start)
        for _ in range(size_bytes // len(piece)):
            client.sendall(piece)
            yield


def test_input_without_an_end_costs_no_memory(run: Run) -> None:
    """Whatever comes without an end and without a token, the server's memory stays what it was, meanwhile and then."""
    parts = urlsplit(run.url())
    address = (parts.hostname or "", parts.port or 0)
    growth = dict[str, int]()
    for name, (start, repeated, _, _) in ENDLESS.items():
        httpx.get(f"{run.url()}/health/live")
        before = most = memory_bytes(run)
        for _ in flood(address, start, repeated, size_bytes=16 * MIB):
            most = max(most, memory_bytes(run))
        assert httpx.get(f"{run.url()}/health/live", timeout=60).status_code == 200
        growth[name] = max(most, memory_bytes(run)) - before
    assert {name: size for name, size in growth.items() if size > GROWTH_BYTES} == {}
    assert [event for event in run.events() if "exception" in event] == []


async def until_answered(client: Wire, repeated: bytes) -> tuple[int, dict[str, str], bytes]:
    """Sends the same again and again, and reads an answer meanwhile."""
    piece = repeated * (PIECE_BYTES // len(repeated))

    async def send() -> None:
        with suppress(ConnectionError):
            for _ in range(1000):
                await client.send(piece)

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await client.answer()
    finally:
        sending.cancel()


@pytest.mark.parametrize("name", REFUSED)
async def test_input_without_an_end_is_refused(server: str, name: str) -> None:
    """What has no end is refused as what it is, long before anybody's patience ends, and the connection is closed."""
    start, repeated, status, slug = REFUSED[name]
    async with wire(server) as client:
        await client.send(start)
        answered, headers, body = await until_answered(client, repeated)
        assert (answered, headers["content-type"]) == (status, "application/problem+json")
        assert json.loads(body)["type"] == f"urn:pegasus:problem:{slug}"
        with suppress(ConnectionError):
            assert await client.closed()


@pytest.mark.parametrize(
    "lines",
    [b"A: " + b"a" * 100_000 + b"\r\n", b"A: b\r\n" * 101, b"a:\r\n" * 101, b"Cookie: a=b\r\n" * 6000],
    ids=["one long field", "101 fields", "101 empty fields", "6000 cookies"],
)
async def test_a_head_that_comes_at_once_is_bounded_as_well(server: str, lines: bytes) -> None:
    """A head that is too long is refused even where it is there, to its end, before anybody looks."""
    async with wire(server) as client:
        await client.send(GET + lines + b"\r\n")
        status, headers, _ = await client.answer()
        assert (status, headers["content-type"]) == (431, "application/problem+json")


async def test_a_long_head_within_the_limit_is_read(server: str) -> None:
    """A head of 60,000 bytes and ninety fields is read, at once or byte by byte."""
    lines = b"A: " + b"a" * 660 + b"\r\n"
    request = GET + lines * 90 + b"\r\n"
    async with wire(server) as client:
        for size in (len(request), 997, 1):
            for at in range(0, len(request), size):
                client.writer.write(request[at : at + size])
                if size < len(request):
                    await asyncio.sleep(0)
            assert (await client.answer())[0] == 200


async def test_what_precedes_a_head_is_not_counted_to_it(server: str) -> None:
    """Of much that comes at once, only what belongs to a head is counted to it."""
    lines = b"A: " + b"a" * 20_000 + b"\r\n"
    last = GET + lines
    async with wire(server) as client:
        await client.send((GET + lines + b"\r\n") * 10 + last)
        for _ in range(10):
            assert (await client.answer())[0] == 200
        await client.send(b"\r\n")
        assert (await client.answer())[0] == 200


async def test_chunks_of_a_byte_are_a_body(server: str, kept: Look) -> None:
    """A body in the smallest chunks that there are, with a short extension each and a trailer, is read."""
    body = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nno audio' + b" " * 50_000 + b"\r\n--b--\r\n"
    chunks = b"".join(b"1;a=bcd\r\n%c\r\n" % byte for byte in body)
    async with wire(server) as client:
        await client.send(head(length=None) + chunks + b"0\r\nA: b\r\n\r\n" + GET + b"\r\n")
        assert [(await client.answer())[0] for _ in range(2)] == [415, 200]


async def test_trailer_fields_are_thrown_away(server: str, kept: Look) -> None:
    """Fields behind a body count for nothing: they are neither headers of the request nor of the next one."""
    body = b"7\r\n--b--\r\n\r\n0\r\n"
    async with wire(server) as client:
        await client.send(head(length=None) + body + b"Origin: http://evil.test\r\nX-Request-ID: mine\r\n\r\n")
        status, headers, _ = await client.answer()
        assert (status, headers["x-request-id"] == "mine") == (422, False)
        await client.send(GET + b"\r\n")
        status, headers, _ = await client.answer()
        assert (status, headers["x-request-id"] == "mine") == (200, False)


@pytest.mark.parametrize("body", [b"{", b"1\r\n{\r\n", b"1\r\n{\r\n0\r\n"], ids=["declared", "chunked", "trailers"])
@pytest.mark.parametrize("method", ["POST /api/session", "PUT /api/audio/7f6b5b0e-6a0e-4c0e-9f0e-0d6b8a6b1f11/tags"])
async def test_a_body_that_does_not_come_holds_no_connection(
    server: str, monkeypatch: pytest.MonkeyPatch, method: str, body: bytes
) -> None:
    """A client that begins a small body and drips, or falls silent, is sent away."""
    monkeypatch.setattr("api.middleware.BODY_SECONDS", 0.5)
    monkeypatch.setattr("api.middleware.SILENCE_SECONDS", 0.5)
    framing = b"Transfer-Encoding: chunked" if body[:1] == b"1" else b"Content-Length: 9"
    start = f"{method} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()
    async with wire(server) as client, asyncio.timeout(ANSWER_SECONDS):
        await client.send(start + framing + b"\r\n\r\n" + body)
        status, headers, content = await client.answer()
        assert (status, headers["content-type"], headers["connection"]) == (408, "application/problem+json", "close")
        assert json.loads(content)["type"] == "urn:pegasus:problem:body-too-slow"
        assert await client.closed()


@pytest.fixture
def soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of patience with clients that take nothing, instead of sixty."""
    monkeypatch.setattr("api.http1.listener.SILENCE_SECONDS", 1)


async def open_connections(client: httpx.AsyncClient) -> float:
    """How many connections the server says that it has."""
    return parsed((await client.get("/metrics")).text)["pegasus_http_connections_open"].samples[0].value


async def test_a_client_that_reads_nothing_holds_no_connection(
    soon_given_up: None, server: str, far_client: httpx.AsyncClient
) -> None:
    """Answers that nobody takes are given up, and the connection with them."""
    answer = await far_client.post("/api/audio/upload", files={"file": ("memo.wav", WAV + bytes(900_000))})
    request = f"GET /api/audio/{answer.json()['id']}/download HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    parts = urlsplit(server)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((parts.hostname, parts.port))
        client.sendall(request * 10)
        assert await open_connections(far_client) == 2
        async with asyncio.timeout(ANSWER_SECONDS):
            while await open_connections(far_client) == 2:
                await asyncio.sleep(0.1)


async def test_the_log_holds_no_long_path(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A request for a path of sixty thousand characters is one short line of the log."""
    async with httpx.AsyncClient(base_url=server) as client:
        assert (await client.get("/" + "a" * 60_000)).status_code == 404
    lines: list[str] = []
    while not lines:  # it is written once the answer has gone out
        await asyncio.sleep(0.01)
        lines = [line for line in capsys.readouterr().out.splitlines() if " request " in line]
    [line] = lines
    assert "/aaaa" in line
    assert len(line) < 1000


@pytest.mark.parametrize(
    "endless",
    [
        b"A: " + b"a" * 5000,
        b"A" * 5000,
        b"A: b\r\n" * 9,
        b'Content-Disposition: form-data; name="tag"\r\n\r\n' + b"a" * 20_000,
        b'Content-Disposition: form-data; name="tag"\r\n\r\na\r\n--b\r\n' * 17,
    ],
    ids=["a header", "a header's name", "headers", "a field", "fields"],
)
async def test_a_form_holds_no_endless_part(server: str, kept: Look, endless: bytes) -> None:
    """Headers and fields of a form that go on without an end are refused when their limits are passed."""
    async with wire(server) as client, asyncio.timeout(ANSWER_SECONDS):
        await client.send(head(length=900_000) + b"--b\r\n" + endless)
        await client.send(b"a" * 200_000)
        assert (await client.answer())[0] == 400
    await until_kept(kept, files=0)


@pytest.mark.parametrize("much", ["; a=b" * 10_000, ";" * 50_000, '; a="' + '\\"' * 20_000])
async def test_a_form_has_no_endless_type(client: httpx.AsyncClient, much: str) -> None:
    """A type of fifty thousand characters is refused unread: to find the boundary in it takes a tenth of a second."""
    headers = {"Content-Type": f"multipart/form-data; boundary=b{much}"}
    answer = await client.post("/api/audio/upload", content=FILE_HEAD + WAV + END, headers=headers)
    problem(answer, status=400, slug="form-malformed")


async def test_a_body_of_brackets_is_refused(client: httpx.AsyncClient) -> None:
    """JSON that is nested as deeply as its limit lets it be is no fault of the server."""
    for brackets in ("[" * 8000, '{"token":' * 800, "[" * 3000 + "]" * 3000):
        answer = await client.post("/api/session", content=brackets, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500
