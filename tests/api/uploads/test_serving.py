"""Uploads over a real socket, where clients break off, send too much, or wait to be told to go on."""

import asyncio
import contextlib
import itertools
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from app.application import create_app
from core.settings import Settings
from tests.api.conftest import Look, Started, problem
from tests.audio.samples import recording
from tests.stored import Stored

FILE_HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="memo.wav"\r\n\r\n'
END = b"\r\n--b--\r\n"
WAV = recording("wav")
LARGE = 60 * 1024 * 1024
Answer = tuple[int, dict[str, str], bytes]
ENTERED = b"memo.wav"  # what the statement that enters the row is known by


def head(*, length: int | None, expect: bool = False, more: str = "") -> bytes:
    """The head of an upload."""
    lines = ["POST /api/audio/upload HTTP/1.1", "Host: 127.0.0.1", "Content-Type: multipart/form-data; boundary=b"]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    lines += ["Expect: 100-continue"] * expect + [more] * bool(more)
    return "\r\n".join([*lines, "", ""]).encode()


def _head_of_answer(start: bytes) -> tuple[int, dict[str, str]]:
    lines = start.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:]) if name}
    return int(lines[0].split()[1]), headers


class Wire:
    """A client that sends and reads bytes as it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        """Sends the bytes."""
        for sent in parts:
            self.writer.write(sent)
            await self.writer.drain()

    async def answer(self) -> Answer:
        """Reads one answer."""
        status, headers = _head_of_answer(await self._reader.readuntil(b"\r\n\r\n"))
        return status, headers, await self._reader.readexactly(int(headers.get("content-length", "0")))

    async def until_read(self) -> None:
        """Waits until the server has read all that was sent: no queue of the connection holds any of it."""
        ports = [self.writer.get_extra_info(name)[1] for name in ("sockname", "peername")]
        while any(_queued(*ends) for ends in (ports, ports[::-1])):
            await asyncio.sleep(0.01)

    async def until_full(self) -> None:
        """Waits until so much has come unread that nothing more is taken in."""
        while cast(asyncio.Transport, self.writer.transport).is_reading():
            await asyncio.sleep(0.01)

    async def answers(self) -> list[Answer]:
        """Reads until the server ends the connection: nothing but whole answers."""
        rest, answers = await self._reader.read(), list[Answer]()
        while rest:
            start, ended, rest = rest.partition(b"\r\n\r\n")
            assert ended, start
            status, headers = _head_of_answer(start)
            length = int(headers.get("content-length", "0"))
            assert len(rest) >= length
            answers.append((status, headers, rest[:length]))
            rest = rest[length:]
        return answers

    async def read(self, length: int) -> bytes:
        """Reads that many bytes."""
        return await self._reader.readexactly(length)

    async def closed(self) -> bool:
        """Whether the server ends the connection."""
        return await self._reader.read() == b""


def _queued(port: int, other: int) -> bool:
    """Whether the kernel holds bytes at the end of a connection of these ports that has the first of them."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if (int(local[-4:], 16), int(remote[-4:], 16)) == (port, other):
            return queues != "00000000:00000000"
    return False


@asynccontextmanager
async def wire(server: str) -> AsyncIterator[Wire]:
    """A connection to the server."""
    parts = urlsplit(server)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Wire(reader, writer)
    finally:
        with suppress(AttributeError):  # asyncio's, for a connection that the server has ended while we still wrote
            writer.transport.abort()


async def until_kept(kept: Look, *, files: int) -> None:
    """Waits until that many files are kept, half-written ones included."""
    while len((await kept()).files) != files:
        await asyncio.sleep(0.02)


async def test_a_large_upload_is_refused_before_it_is_sent(server: str, kept: Look) -> None:
    """600 MB declared are refused at once, whether the client waits for a word or not."""
    for expect in (True, False):
        async with wire(server) as client:
            await client.send(head(length=600_000_000, expect=expect))
            status, headers, body = await client.answer()
            assert (status, headers["content-type"]) == (413, "application/problem+json")
            assert json.loads(body)["received"] == 600_000_000
            assert headers["connection"] == "close"
    assert (await kept()).files == set()


async def test_a_good_upload_is_waited_for(server: str, kept: Look) -> None:
    """A client that asks first is told to go on."""
    body = FILE_HEAD + WAV + END
    async with wire(server) as client:
        await client.send(head(length=len(body), expect=True))
        assert (await client.answer())[0] == 100
        await client.send(body)
        assert (await client.answer())[0] == 200
    assert len((await kept()).rows) == 1


async def test_a_connection_is_used_again(server: str, kept: Look) -> None:
    """After an upload the connection stays open for the next."""
    body = FILE_HEAD + WAV + END
    async with wire(server) as client:
        for _ in range(2):
            await client.send(head(length=len(body)), body)
            status, headers, _ = await client.answer()
            assert (status, headers.get("connection")) == (200, None)
    assert len((await kept()).rows) == 2


async def test_a_foreign_request_never_gets_to_send_its_body(server: str) -> None:
    """A page of another site is refused before it is told to go on."""
    async with wire(server) as client:
        await client.send(head(length=1000, expect=True, more="Origin: http://evil.test"))
        assert (await client.answer())[0] == 403


def large_body(start: bytes) -> Iterator[bytes]:
    """A body far larger than what is taken, in pieces."""
    yield start
    for _ in range(LARGE // 65536):
        yield bytes(65536)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("start", "status", "slug"),
    [
        (FILE_HEAD + WAV, 413, "upload-too-large"),
        (FILE_HEAD + b"text" * 9999, 415, "not-audio"),
        (b"x", 400, "form-malformed"),
    ],
)
async def test_an_answer_arrives_while_the_client_still_sends(
    server: str, kept: Look, start: bytes, status: int, slug: str, *, declared: bool
) -> None:
    """A client that sends all of a large body before it reads still gets to see why it was refused."""
    size = len(start) + LARGE // 65536 * 65536
    headers = {"Content-Type": "multipart/form-data; boundary=b"} | ({"Content-Length": str(size)} if declared else {})

    def send() -> httpx.Response:
        with httpx.Client(timeout=60) as client:
            return client.post(f"{server}/api/audio/upload", content=large_body(start), headers=headers)

    answer = await asyncio.to_thread(send)
    problem(answer, status=413 if declared else status, slug="upload-too-large" if declared else slug)
    await until_kept(kept, files=0)


@pytest.mark.parametrize(
    "sent",
    [
        len(FILE_HEAD) - 20,
        len(FILE_HEAD) + 10,
        len(FILE_HEAD) + 60_000,
        pytest.param(400_000, marks=pytest.mark.folder),  # an object store isn't told of so few
    ],
)
async def test_a_client_that_goes_away_leaves_nothing(server: str, kept: Look, sent: int) -> None:
    """An upload that its client breaks off leaves no row and no file, and the server goes on."""
    body = FILE_HEAD + WAV + bytes(800_000) + END
    async with wire(server) as client:
        await client.send(head(length=len(body)), body[:sent])
        if sent == 400_000:
            await until_kept(kept, files=1)
    await until_kept(kept, files=0)
    assert (await kept()).rows == []
    async with httpx.AsyncClient() as other:
        assert (await other.get(f"{server}/health")).status_code == 200


async def test_a_large_recording_goes_in_and_out(server: str, settings: Settings) -> None:
    """A recording of many pieces comes back byte by byte, in whole and in part, and its connection is used again."""
    content = WAV + os.urandom(900_000)
    async with httpx.AsyncClient(base_url=server) as client:
        for _ in range(3):
            answer = await client.post("/api/audio/upload", files={"file": ("a.wav", content)}, data={"tag": "Work"})
            url = f"/api/audio/{answer.json()['id']}/download"
            assert (await client.get(url)).content == content
            assert (await client.get(url, headers={"Range": "bytes=500000-"})).content == content[500_000:]
            assert answer.json()["tag"] == "Work"


async def test_requests_may_follow_before_their_answers(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Pipelined requests are answered in order (RFC 9112, 9.3.2), and the log tells of each what is its own."""
    body = FILE_HEAD + WAV + bytes(700_000) + END
    upload = head(length=len(body)) + body
    small = head(length=3) + b"abc"
    async with wire(server) as client:
        await client.send(upload + b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + upload + small)
        assert [(await client.answer())[0] for _ in range(4)] == [200, 200, 200, 400]
    lines = [line for line in capsys.readouterr().out.splitlines() if " request " in line]
    assert ["recording=" in line for line in lines] == [True, False, True, False]


async def test_a_download_may_be_broken_off(server: str) -> None:
    """A client that goes in the middle of a download, or reads late, does no harm."""
    content = WAV + os.urandom(900_000)
    async with httpx.AsyncClient(base_url=server, timeout=60) as client:
        answer = await client.post("/api/audio/upload", files={"file": ("a.wav", content)})
        path = f"/api/audio/{answer.json()['id']}/download"
        for read in (0, 1000):
            async with wire(server) as other:
                await other.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                await other.read(read)
        async with wire(server) as late:
            await late.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            await late.until_full()
            assert (await late.answer())[2] == content
        assert (await client.get(path)).content == content


async def test_an_upload_may_come_in_any_pace(server: str, kept: Look) -> None:
    """Chunks of any size, with pauses between them, make a whole recording."""
    body = FILE_HEAD + WAV + END
    cuts = [0, 1, 3, 50, len(FILE_HEAD) - 1, len(FILE_HEAD) + 7, 70_000, len(body) - 3, len(body)]
    async with wire(server) as client:
        await client.send(head(length=None))
        for a, b in itertools.pairwise(cuts):
            await client.send(f"{b - a:x}\r\n".encode(), body[a:b], b"\r\n")
            await asyncio.sleep(0.01)
        await client.send(b"0\r\n\r\n")
        assert (await client.answer())[0] == 200
    assert (await kept()).rows[0]["file_size_bytes"] == len(WAV)


async def test_many_uploads_at_once_are_all_kept(server: str, kept: Look) -> None:
    """Forty uploads at once are forty recordings."""
    async with httpx.AsyncClient(timeout=60) as client:
        posts = [client.post(f"{server}/api/audio/upload", files={"file": ("a.wav", WAV)}) for _ in range(40)]
        assert [answer.status_code for answer in await asyncio.gather(*posts)] == [200] * 40
    assert (len((await kept()).rows), len((await kept()).files)) == (40, 80)


class CutOff:
    """Stands between a client and PostgreSQL, and cuts it where the row is entered: before or behind."""

    def __init__(self, address: str, folder: Path, *, deliver: bool) -> None:
        query = parse_qs(urlsplit(address).query)
        self._socket = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        self._own = f"{folder}/.s.PGSQL.{query['port'][0]}"
        self.address = address.replace(quote(query["host"][0], safe=""), quote(str(folder), safe=""), 1)
        self._deliver = deliver
        self._open = 0
        self.armed = False

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """While it stands there."""
        async with await asyncio.start_unix_server(self._connect, self._own):
            yield
        while self._open:
            await asyncio.sleep(0.01)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        there, back = await asyncio.open_unix_connection(self._socket)
        replies = asyncio.create_task(self._pass_on(there, writer))
        # Whoever closes first, the other end may still be written to: that ends the connection and no test.
        with contextlib.suppress(ConnectionError):
            await self._relay(reader, there, back, replies)
        for end in (back, writer):
            end.transport.abort()
        await asyncio.wait([replies])
        self._open -= 1

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        replies: asyncio.Task[None],
    ) -> None:
        while requests := await reader.read(65536):
            cut = self.armed and ENTERED in requests
            if cut:
                replies.cancel()
                await asyncio.wait([replies])
            if not cut or self._deliver:
                back.write(requests)
            if cut:
                if self._deliver:
                    await there.read(65536)
                return

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while reply := await reader.read(65536):
            writer.write(reply)
        writer.close()


@pytest.fixture(params=[True, False], ids=["committed", "not committed"])
async def cut_off(request: pytest.FixtureRequest, database: str) -> AsyncIterator[CutOff]:
    """A way to the database that breaks while a row is entered, behind its statement or before it."""
    with tempfile.TemporaryDirectory() as folder:
        between = CutOff(database, Path(folder), deliver=request.param)
        async with between.standing():
            yield between


@asynccontextmanager
async def behind(cut_off: CutOff, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application on a healed database that it reaches by a way which may be cut."""
    own = Settings(**settings.model_dump() | {"database_url": cut_off.address, "migrations": "off"})
    await asyncio.to_thread(os.makedirs, settings.storage_root, exist_ok=True)
    healed = create_app(settings)
    async with healed.router.lifespan_context(healed):
        pass
    app = create_app(own)
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(app=Started(app, dict(state or {})), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


@pytest.mark.parametrize("next_request", ["HEAD", "PATCH"])
async def test_a_resumable_upload_is_one_recording_when_the_outcome_is_unknown(
    cut_off: CutOff, settings: Settings, kept: Look, next_request: str
) -> None:
    """When the answer of the commit is lost, the next request finds the recording, or makes it of the same bytes."""
    headers = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    async with behind(cut_off, settings) as client:
        said = {"Upload-Length": str(len(WAV)), "Upload-Metadata": "filename bWVtby53YXY="}
        where = (await client.post("/api/uploads", headers=headers | said)).headers["location"]
        cut_off.armed = True
        answer = await client.patch(where, content=WAV, headers=headers | {"Upload-Offset": "0"})
        problem(answer, status=503, slug="outcome-unknown")
        cut_off.armed = False
        there = {path for path in (await kept()).files if not path.startswith(".")}
        assert len(there) == 2
        if next_request == "HEAD":
            answer = await client.head(where, headers=headers)
        else:
            answer = await client.patch(where, headers=headers | {"Upload-Offset": str(len(WAV))})
        [row] = (await kept()).rows
        assert answer.headers["upload-recording-id"] == str(row["id"])
        assert Stored(settings).read(row["file_path"]) == WAV
        assert there == {row["file_path"], f"{row['file_path']}.json"}
        assert {path for path in (await kept()).files if not path.startswith(".")} == there


async def test_nothing_is_deleted_when_the_outcome_is_unknown(
    cut_off: CutOff, settings: Settings, kept: Look, request: pytest.FixtureRequest
) -> None:
    """When the answer of the row's commit is lost the row may be there, and its bytes are; sent again it is one."""
    async with behind(cut_off, settings) as client:
        cut_off.armed = True
        files, headers = {"file": ("memo.wav", WAV)}, {"Idempotency-Key": "memo-1"}
        answer = await client.post("/api/audio/upload", files=files, headers=headers)
        problem(answer, status=503, slug="outcome-unknown")
        cut_off.armed = False
        there = [row["id"] for row in (await kept()).rows]
        assert len(there) == (0 if "not committed" in request.node.name else 1)
        assert len((await kept()).files) == 2
        again = await client.post("/api/audio/upload", files=files, headers=headers)
        assert again.status_code == 200
        [row] = (await kept()).rows
        assert there in ([], [row["id"]])
