"""Two servers behind nginx: what goes through it streams, and a server that goes isn't noticed."""

import asyncio
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest

from tests.api.uploads.test_rufh import WAV, request
from tests.api.uploads.test_serving import wire
from tests.audio.samples import recording
from tests.scale.conftest import TOKEN, Nginx, Replicas, configuration, program

pytestmark = pytest.mark.scale
LARGE = recording("wav") + bytes(50 * 1024 * 1024)
START = b'--b\r\nContent-Disposition: form-data; name="file"; filename="memo.wav"\r\n\r\n'
END = b"\r\n--b--\r\n"


def test_the_configuration_is_one(tmp_path: Path) -> None:
    """Nginx itself accepts the configuration of deploy/."""
    text = configuration(["http://127.0.0.1:1", "http://127.0.0.1:2"], listen="127.0.0.1:8080", folder=tmp_path)
    (tmp_path / "nginx.conf").write_text(text)
    told = subprocess.run(
        [program(), "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert "warn" not in told.stderr


async def test_an_interim_response_comes_through(replicas: Replicas, nginx: Nginx) -> None:
    """A client of HTTP/1.1 behind nginx is told where its upload can be resumed, before its body has ended."""
    servers = await asyncio.to_thread(replicas, 1)
    with nginx([run.url() for run in servers]) as url:
        authorization = {"Authorization": TOKEN["Authorization"], "Content_Type": "audio/wav"}
        fields = {"Upload_Complete": "?1", "Upload_Draft_Interop_Version": "10"} | authorization
        async with wire(url) as client:
            await client.send(request("POST", "/api/audio/upload", Content_Length=str(len(WAV)), **fields), WAV[:1000])
            status, headers, _ = await client.answer()
            assert (status, headers["location"][:13]) == (104, "/api/uploads/")  # a proxy's name isn't known
            await client.send(WAV[1000:])
            assert (await client.answer())[0] == 200


def test_a_large_upload_streams_through(replicas: Replicas, nginx: Nginx, tmp_path: Path) -> None:
    """50 MB are at a server before the client has sent the rest, and come back whole and in ranges."""
    with nginx([run.url() for run in replicas(2)]) as url:
        address = httpx.URL(url)
        length = len(START) + len(LARGE) + len(END)
        head = f"POST /api/audio/upload HTTP/1.1\r\nHost: {address.host}\r\nContent-Length: {length}\r\n"
        head += "Content-Type: multipart/form-data; boundary=b\r\nX-Request-ID: through-nginx\r\n"
        head += "".join(f"{name}: {text}\r\n" for name, text in TOKEN.items()) + "\r\n"
        with socket.create_connection((address.host, address.port or 0), timeout=60) as client:
            client.sendall(head.encode() + START + LARGE[: 30 * 1024 * 1024])
            while staged(tmp_path) < 20 * 1024 * 1024:
                pass
            assert not [file for file in (tmp_path / "nginx-body").rglob("*") if file.is_file()]
            client.sendall(LARGE[30 * 1024 * 1024 :] + END)
            answer = HTTPResponse(client)
            answer.begin()
            told = json.loads(answer.read())
        assert (answer.status, answer.headers["X-Request-ID"]) == (200, "through-nginx")
        with httpx.Client(base_url=url, headers=TOKEN) as client:
            where = f"/api/audio/{told['id']}/download"
            assert client.get(where).content == LARGE
            part = client.get(where, headers={"Range": "bytes=100-199"})
            assert (part.status_code, part.content) == (206, LARGE[100:200])
    lines = [json.loads(line) for line in (tmp_path / "access.log").read_text().splitlines()]
    assert "through-nginx" in {line["request_id"] for line in lines}


def staged(folder: Path) -> int:
    sizes = []
    for file in (folder / "recordings").rglob("*"):
        try:
            sizes.append(file.stat().st_size if file.is_file() else 0)
        except FileNotFoundError:
            continue
    return max(sizes, default=0)


async def test_events_of_one_server_pass_at_once_at_another(replicas: Replicas, nginx: Nginx) -> None:
    """A stream of events through nginx tells of each upload, whichever server took it, while the stream goes on."""
    runs = replicas(2)
    urls = [run.url() for run in runs]
    with nginx(urls) as url:
        async with (
            httpx.AsyncClient(base_url=url, headers=TOKEN, timeout=60) as client,
            client.stream("GET", "/api/audio/events") as stream,
        ):
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith("retry")
            for server in urls:
                files = {"file": ("memo.wav", recording("wav"))}
                uploaded = await asyncio.to_thread(httpx.post, f"{server}/api/audio/upload", files=files, headers=TOKEN)
                async for line in lines:
                    if line.startswith("data:"):
                        assert json.loads(line.removeprefix("data:"))["id"] == uploaded.json()["id"]
                        break


def test_refusals_come_through(replicas: Replicas, nginx: Nginx) -> None:
    """What is refused before its body ended is told as it is, and not as an error of nginx."""
    with nginx([run.url() for run in replicas(1)]) as url, httpx.Client(base_url=url, headers=TOKEN) as client:
        text = {"file": ("memo.wav", b"no audio" * 1_000_000)}
        assert client.post("/api/audio/upload", files=text).json()["type"] == "urn:pegasus:problem:not-audio"
        bare = httpx.post(f"{url}/api/audio/upload", files={"file": ("memo.wav", LARGE)})
        assert (bare.status_code, bare.json()["type"]) == (401, "urn:pegasus:problem:token-missing")
        assert client.get("/metrics").status_code == 404
        foreign = client.get("/api/audio/", headers={"Origin": "http://elsewhere.example"})
        assert foreign.json()["type"] == "urn:pegasus:problem:foreign-origin"
        assert client.get("/api/audio/", headers={"Origin": url}).status_code == 200


def test_an_open_server_is_not_opened_by_nginx(replicas: Replicas, nginx: Nginx) -> None:
    """Without a token Pegasus serves its own machine alone: through nginx it refuses everything."""
    with nginx([run.url() for run in replicas(1, AUTH_TOKENS="")]) as url:
        answer = httpx.get(f"{url}/api/audio/")
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:pegasus:problem:proxied-request")


def test_a_server_that_drains_or_dies_is_not_noticed(replicas: Replicas, nginx: Nginx) -> None:
    """One server ends by SIGTERM, later another by kill -9, and every upload in between is taken."""
    runs = replicas(3, DRAIN_GRACE_SECONDS="1")
    with nginx([run.url() for run in runs]) as url, httpx.Client(base_url=url, headers=TOKEN, timeout=60) as client:

        def upload(times: int) -> list[int]:
            files = {"file": ("memo.wav", recording("wav"))}
            return [client.post("/api/audio/upload", files=files).status_code for _ in range(times)]

        assert upload(6) == [200] * 6
        runs[0].process.send_signal(signal.SIGTERM)
        codes = []
        while runs[0].process.poll() is None:
            codes += upload(1)
        assert set(codes) == {200}
        assert runs[0].ended() == 0
        runs[1].process.kill()
        runs[1].process.wait()
        assert upload(10) == [200] * 10


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a server that answers to no connection, as one whose machine is gone: its queue is full."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as server, closing(socket.socket()) as client:
        client.connect(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_is_silent_holds_nobody_up(replicas: Replicas, nginx: Nginx, tmp_path: Path) -> None:
    """A server whose machine is gone is passed over, by uploads too, well before a person would wonder."""
    urls = [run.url() for run in replicas(1)]
    with silent_server() as silent, nginx([silent, *urls]) as url:
        with httpx.Client(base_url=url, headers=TOKEN, timeout=4) as client:
            files = {"file": ("memo.wav", recording("wav"))}
            codes = {client.post("/api/audio/upload", files=files).status_code for _ in range(20)}
        assert codes == {200}
    servers = [json.loads(line)["server"] for line in (tmp_path / "access.log").read_text().splitlines()]
    assert any(silent.removeprefix("http://") in server for server in servers)
