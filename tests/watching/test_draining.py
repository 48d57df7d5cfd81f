"""A server that is told to stop isn't ready first, then finishes what is under way, and ends in order."""

import asyncio
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.http1.listener import claim_address
from api.http1.server import server_for
from core.settings import load_settings
from tests.api.test_main import forked
from tests.audio.samples import recording

GRACE = {"DRAIN_GRACE_SECONDS": "4", "PROCESSING": "off"}
BODY = (
    b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + recording("wav") + bytes(900_000) + b"\r\n--b--\r\n"
)
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = "POST /api/audio/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"


def readiness(url: str) -> tuple[int, dict[str, Any]]:
    answer = httpx.get(f"{url}/health/ready")
    return answer.status_code, answer.json()


def connected(url: str) -> socket.socket:
    address = httpx.URL(url)
    return socket.create_connection((address.host, address.port or 0), timeout=60)


def until_draining(url: str) -> dict[str, Any]:
    """What readiness tells once the server has taken the signal in."""
    while True:
        status, told = readiness(url)
        if status == 503:
            return told


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_upload_under_way_ends_well(tmp_path: Path, database: str, workers: str) -> None:
    """After SIGTERM `/health/ready` is 503, a slow upload ends with 200, others are served, and the exit code is 0."""
    with forked(tmp_path, DATABASE_URL=database, WORKERS=workers, **GRACE) as run:
        url = run.url()
        with connected(url) as client:
            client.sendall(f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:500_000])
            while not list(tmp_path.rglob(".staging/*")):
                pass
            assert readiness(url)[0] == 200
            run.process.send_signal(signal.SIGTERM)
            told = until_draining(url)
            assert (told["status"], told["draining"]) == ("not ready", True)
            assert set(told["parts"].values()) == {"well"}
            assert httpx.get(f"{url}/health/live").status_code == 200
            assert httpx.get(f"{url}/api/audio/").status_code == 200
            client.sendall(BODY[500_000:])
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        assert run.ended() == 0
    events = run.events()
    assert any("drains" in str(event["event"]) for event in events)
    assert all("exception" not in event for event in events)


def test_streams_of_events_end_at_once(tmp_path: Path, database: str) -> None:
    """A stream of events ends when the grace begins, so that its client goes elsewhere."""
    with forked(tmp_path, DATABASE_URL=database, **GRACE) as run:
        url = run.url()
        with httpx.stream("GET", f"{url}/api/audio/events", timeout=60) as stream:
            pieces = stream.iter_raw()
            assert b"retry" in next(pieces)
            run.process.send_signal(signal.SIGTERM)
            assert b"".join(pieces) == b""
            assert readiness(url)[0] == 503  # the grace goes on
        assert run.ended() == 0


def test_what_takes_too_long_can_be_resumed(tmp_path: Path, database: str) -> None:
    """An upload that doesn't end in time is broken off; what came of it is kept, and goes on at another server."""
    content = recording("wav") + bytes(900_000)
    tus = {"Tus-Resumable": "1.0.0"}
    settings = {"DATABASE_URL": database, "PROCESSING": "off"}
    with forked(tmp_path, DRAIN_SECONDS="1", **settings) as run:
        url = run.url()
        begun = httpx.post(f"{url}/api/uploads", headers=tus | {"Upload-Length": str(len(content))})
        where = httpx.URL(begun.headers["location"]).path
        head = f"PATCH {where} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        head += f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(content)}\r\n\r\n"
        with connected(url) as client:
            client.sendall(head.encode() + content[:600_000])
            while not any(file.stat().st_size for file in (tmp_path / "recordings").rglob("*") if file.is_file()):
                pass
            assert run.end(signal.SIGTERM) == 0
    with forked(tmp_path, **settings) as run:
        url = run.url()
        offset = int(httpx.head(f"{url}{where}", headers=tus).headers["upload-offset"])
        assert 0 < offset <= 600_000
        headers = tus | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        ended = httpx.patch(f"{url}{where}", headers=headers, content=content[offset:])
        assert ended.status_code == 204
        stored = httpx.get(f"{url}/api/audio/{ended.headers['upload-recording-id']}/download")
        assert stored.content == content


def test_ctrl_c_waits_for_nobody(tmp_path: Path, database: str) -> None:
    """On a terminal there is nobody who shares requests out: Ctrl-C leaves the grace out."""
    with forked(tmp_path, DATABASE_URL=database, DRAIN_GRACE_SECONDS="600", PROCESSING="off") as run:
        run.url()
        assert run.end(signal.SIGINT) == 0
        assert [event["grace_seconds"] for event in run.events() if "grace_seconds" in event] == [0]


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    with connection.makefile("rb") as stream:
        return stream.read()


async def hello(_request: Request) -> Response:
    return Response("hello")


async def test_who_has_connected_is_answered() -> None:
    """A server that stops answers connections that it has accepted or not, if their request hasn't been read yet."""
    listener = claim_address(load_settings(port=0))
    server = server_for(Starlette(routes=[Route("/", hello)]))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listener])
    with ExitStack() as connections:
        url = "http://{}:{}".format(*listener.getsockname())
        accepted = [connections.enter_context(connected(url)) for _ in range(2)]
        while len(server.server_state.connections) < len(accepted):
            await asyncio.sleep(0)
        queued = [connections.enter_context(connected(url)) for _ in range(2)]
        accepted[0].sendall(GET)
        queued[0].sendall(GET)
        stopping = asyncio.create_task(server.shutdown([listener]))
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            connected(url)
        accepted[1].sendall(GET)
        queued[1].sendall(GET)
        for connection in (*accepted, *queued):
            answer = await asyncio.to_thread(read_all, connection)
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.endswith(b"hello")
        await stopping
