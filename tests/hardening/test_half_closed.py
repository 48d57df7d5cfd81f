"""Clients that close their sending side behind a whole request, as `nc -N` does: they are answered like others."""

import asyncio
import base64
import hashlib
import json

import httpx
import pytest

from core.settings import Settings
from tests.api.conftest import Look
from tests.api.uploads.test_serving import END, FILE_HEAD, WAV, Answer, Wire, head, until_kept, wire

GET = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CONTENT = WAV + bytes(range(256)) * 2000
UPLOAD = FILE_HEAD + CONTENT + END
SECONDS = 20
TUS = "Host: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n"


async def answers(client: Wire, sent: bytes) -> list[Answer]:
    """What is answered to a client that sends this, closes its side, and then reads until the connection is closed."""
    client.writer.write(sent)
    client.writer.write_eof()
    async with asyncio.timeout(SECONDS):
        return await client.answers()


@pytest.mark.parametrize("body", [FILE_HEAD + WAV + END, UPLOAD], ids=["small", "large"])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_recording_is_acknowledged(server: str, kept: Look, body: bytes, *, chunked: bool) -> None:
    """Ten uploads, each by a client that closes its sending side at once: ten answers, ten recordings."""
    framed = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n" if chunked else body
    for _ in range(10):
        async with wire(server) as client:
            [(status, _, _)] = await answers(client, head(length=None if chunked else len(body)) + framed)
            assert status == 200
    assert len((await kept()).rows) == 10


async def test_a_resumable_upload_is_acknowledged(server: str, kept: Look, settings: Settings) -> None:
    """An upload by tus whose client closes its sending side behind the last byte is a recording, byte for byte."""
    named = base64.b64encode(b"memo.wav").decode()
    begin = f"POST /api/uploads HTTP/1.1\r\n{TUS}Upload-Length: {len(CONTENT)}\r\nUpload-Metadata: filename {named}\r\n"
    async with wire(server) as client:
        [(status, headers, _)] = await answers(client, f"{begin}Content-Length: 0\r\n\r\n".encode())
        assert status == 201
    path = httpx.URL(headers["location"]).path
    append = f"PATCH {path} HTTP/1.1\r\n{TUS}Upload-Offset: 0\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
    async with wire(server) as client:
        [(status, headers, _)] = await answers(client, append.encode() + CONTENT)
        assert (status, headers["upload-offset"]) == (204, str(len(CONTENT)))
    [row] = (await kept()).rows
    content = (settings.storage_root / row["file_path"]).read_bytes()
    assert hashlib.sha256(content).digest() == hashlib.sha256(CONTENT).digest()


async def test_a_recording_comes_whole(server: str, far_client: httpx.AsyncClient) -> None:
    """A download goes on to its end though its client has nothing more to say."""
    answer = await far_client.post("/api/audio/upload", files={"file": ("memo.wav", CONTENT)})
    request = f"GET /api/audio/{answer.json()['id']}/download HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    async with wire(server) as client:
        assert [content for _, _, content in await answers(client, request * 3)] == [CONTENT] * 3


async def test_all_requests_sent_ahead_are_answered(server: str) -> None:
    """Several requests before the end are all answered; what was sent in part is not, nor is it a fault."""
    for rest, last in ((b"", 200), (GET[:20], 200), (head(length=1000) + FILE_HEAD, 200), (b"\x00", 400)):
        async with wire(server) as client:
            answered = [status for status, _, _ in await answers(client, GET * 5 + rest)]
            assert answered == [200] * 5 + [400] * (last == 400)


async def test_a_response_without_a_body_arrives(server: str) -> None:
    """Clients that ask for heads alone and close their sending side at once read them, each time."""
    for _ in range(50):
        async with wire(server) as client, asyncio.timeout(SECONDS):
            client.writer.write(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            client.writer.write_eof()
            assert await client.read(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("sent", [b"", b"GET /hea", head(length=len(UPLOAD)), head(length=len(UPLOAD)) + UPLOAD[:-1]])
async def test_half_a_request_is_none(server: str, kept: Look, sent: bytes) -> None:
    """A client that closes its side in the midst of a request has broken off: nothing is kept, and nobody waits."""
    async with wire(server) as client:
        assert await answers(client, sent) == []
    await until_kept(kept, files=0)


async def test_a_stream_of_events_ends(server: str, far_client: httpx.AsyncClient) -> None:
    """A stream has no end that a client could wait for: it ends at once with the side that asked for it."""
    async with wire(server) as client, asyncio.timeout(SECONDS):
        client.writer.write(b"GET /api/audio/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200 OK" in await client.read(15)
        client.writer.write_eof()
        while not await client.closed():
            pass
    lines = (await far_client.get("/metrics")).text.splitlines()
    assert "pegasus_event_streams_open 0.0" in lines


async def test_a_problem_is_read(server: str) -> None:
    """A client that is refused before its body's end, and has sent all of it, reads why."""
    async with wire(server) as client:
        sent = head(length=len(UPLOAD), more="Origin: http://evil.test") + UPLOAD
        [(status, _, body)] = await answers(client, sent)
        assert (status, json.loads(body)["type"]) == (403, "urn:pegasus:problem:foreign-origin")
