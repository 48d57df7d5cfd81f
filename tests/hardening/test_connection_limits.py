"""More connections than there may be, and fewer descriptors than are needed: refused with a reason, and over soon."""

import asyncio
import itertools
import json
import resource
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api.http1.connection_limits import ConnectionLimits
from api.http1.listener import claim_address
from api.http1.server import server_for
from app.application import create_app
from core.settings import Settings
from tests.api.conftest import Look, problem
from tests.api.test_main import Run, running
from tests.api.uploads.test_serving import WAV, wire
from tests.serving import served
from tests.watching.test_metrics import parsed, value

GET = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
DESCRIPTORS = 256
SECONDS = 30
ELSEWHERE = ("203.0.113.7", 40000)
NEXT_TO_IT = ("203.0.113.8", 40000)


def limited(tmp_path: Path, database: str, *, ulimit: str, **settings: str) -> AbstractContextManager[Run]:
    """A server whose shell has set such a limit of descriptors."""
    command = ["sh", "-c", f'ulimit {ulimit} && exec "$0" main.py', sys.executable]
    environment = {"DATABASE_URL": database, "PROCESSING": "off"} | settings
    return running(tmp_path, *command, **environment)


def descriptor_limits(pid: int) -> list[str]:
    """The soft and the hard limit of a process."""
    [line] = [
        line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max open files")
    ]
    return line.split()[3:5]


def address_of(url: str) -> tuple[str, int]:
    """Host and port."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def hears(client: socket.socket) -> bytes:
    """What a client reads that says nothing, until it is left in peace for a moment."""
    client.settimeout(0.01)
    try:
        return client.recv(4096)
    except TimeoutError:
        return b"nothing yet"
    except ConnectionError:
        return b""


def test_idle_connections_do_not_take_the_service_offline(tmp_path: Path, database: str) -> None:
    """Hundreds of silent connections: those within the limit work on, others read that it is full, and it recovers."""
    files = {"file": ("memo.wav", WAV + bytes(900_000))}
    with limited(tmp_path, database, ulimit=f"-n {DESCRIPTORS}") as run, ExitStack() as stack:
        url = run.url()
        with httpx.Client(base_url=url, timeout=SECONDS) as client:
            assert client.get("/health").status_code == 200
            idle = [stack.enter_context(socket.create_connection(address_of(url))) for _ in range(300)]
            uploaded = client.post("/api/audio/upload", files=files)  # on a connection that was there before
            assert uploaded.status_code == 200
            path = f"/api/audio/{uploaded.json()['id']}/download"
            assert client.get(path).content == files["file"][1]
            heard = [hears(one) for one in idle]
            assert 30 < heard.count(b"nothing yet") < DESCRIPTORS / 3
            assert {one[:12] for one in heard} == {b"nothing yet", b"HTTP/1.1 503"}
            full = until_refused(url)
            assert full.headers["retry-after"] == "5"
            assert full.headers["connection"] == "close"
        stack.close()
        assert until_served(url) < SECONDS
        counted = parsed(httpx.get(f"{url}/metrics").text)
    refused = [event for event in run.events() if event["event"] == "connections are refused"]
    assert refused[0]["limit"] == "all"
    assert len(refused) < 10
    assert value(counted, "pegasus_http_connections_refused_total", limit="all") > 200


def until_refused(url: str) -> httpx.Response:
    """The first answer that says that the server is full: some who ask at the worst moment get none."""
    while True:
        try:
            answer = httpx.get(f"{url}/health/live", timeout=SECONDS)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        problem(answer, status=503, slug="too-many-connections")
        return answer


def until_served(url: str) -> float:
    """How many seconds it takes until the service is there again."""
    began = time.monotonic()
    while time.monotonic() < began + SECONDS:
        try:
            if httpx.get(f"{url}/health", timeout=SECONDS).status_code == 200:
                break
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize("workers", [1, 2])
def test_the_limit_of_descriptors_is_raised(tmp_path: Path, database: str, workers: int) -> None:
    """Each server process may have as many descriptors as the system allows, whatever the shell allows."""
    with limited(tmp_path, database, ulimit="-Sn 300", WORKERS=str(workers)) as run:
        httpx.get(f"{run.url()}/health")
        children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
        serving = [run.process.pid] if workers == 1 else [int(pid) for pid in children if is_python(pid)]
        assert len(serving) >= workers
        for pid in serving:
            soft, hard = descriptor_limits(pid)
            assert soft == hard
        run.end(signal.SIGTERM)


def is_python(pid: str) -> bool:
    """Whether a process is one of the server's, and not what helps it to start them."""
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_the_settings_decide(tmp_path: Path, database: str) -> None:
    """MAX_CONNECTIONS is the most that are open at once; the next is refused, and one that ends makes room."""
    with limited(tmp_path, database, ulimit="-c 0", MAX_CONNECTIONS="2") as run:
        url = run.url()
        with socket.create_connection(address_of(url)), socket.create_connection(address_of(url)):
            assert until_refused(url).status_code == 503
        assert until_served(url) < SECONDS


@asynccontextmanager
async def serving(settings: Settings, limits: ConnectionLimits) -> AsyncIterator[str]:
    """The application, served under these limits."""
    listener = claim_address(settings)
    async with served(server_for(create_app(settings), limits=limits), listener) as url:
        yield url


async def statuses(stack: AsyncExitStack, url: str, *, count: int) -> list[int]:
    """Opens so many connections, which stay open, and asks on each; what is answered."""
    clients = [await stack.enter_async_context(wire(url)) for _ in range(count)]
    for client in clients:
        await client.send(GET)
    return [(await client.answer())[0] for client in clients]


async def test_a_proxy_on_this_machine_is_bounded_in_all_alone(settings: Settings) -> None:
    """Everybody comes from one address where a reverse proxy stands in front, so loopback counts in all alone."""
    limits = ConnectionLimits(in_all=5, per_address=2)
    async with serving(settings, limits) as url, AsyncExitStack() as stack:
        assert await statuses(stack, url, count=6) == [200] * 5 + [503]


async def test_an_address_is_bounded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One address of another machine has so many connections; others still get theirs."""
    peer = ELSEWHERE
    monkeypatch.setattr("uvicorn.protocols.http.httptools_impl.get_remote_addr", lambda _transport: peer)
    async with serving(settings, ConnectionLimits(in_all=5, per_address=2)) as url, AsyncExitStack() as stack:
        assert await statuses(stack, url, count=3) == [200, 200, 503]
        peer = NEXT_TO_IT
        assert await statuses(stack, url, count=1) == [200]
        peer = ELSEWHERE
        assert await statuses(stack, url, count=1) == [503]


@pytest.mark.parametrize("per_address", [0, 9])
async def test_an_ipv6_household_is_one_address(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, per_address: int
) -> None:
    """Whoever has a /64 has as many connections as whoever has an IPv4 address; 0 sets no limit."""
    hosts = iter(range(1, 100))
    monkeypatch.setattr(
        "uvicorn.protocols.http.httptools_impl.get_remote_addr", lambda _transport: (f"2001:db8::{next(hosts):x}", 1)
    )
    limits = ConnectionLimits(in_all=100, per_address=per_address)
    async with serving(settings, limits) as url, AsyncExitStack() as stack:
        assert await statuses(stack, url, count=12) == [200] * 9 + [503 if per_address else 200] * 3


async def test_room_is_made_by_whoever_goes(settings: Settings) -> None:
    """However a connection ends, another one may come; those that were refused take nobody's room."""
    async with serving(settings, ConnectionLimits(in_all=3)) as url:
        for ending in (b"", GET, b"\x00", GET + b"\x00", GET[:9], GET.replace(b"1.1", b"1.0")) * 3:
            async with AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(wire(url)) for _ in range(10)]
                for client in clients:
                    client.writer.write(ending)
                await asyncio.sleep(0.01)
            async with asyncio.timeout(SECONDS), httpx.AsyncClient(verify=False) as other:
                while (await other.get(f"{url}/health/live")).status_code != 200:
                    await asyncio.sleep(0.01)


async def test_who_is_refused_may_read_why(settings: Settings) -> None:
    """A client that sends much before it reads is refused as well, and its system doesn't throw the answer away."""
    async with serving(settings, ConnectionLimits(in_all=1)) as url, wire(url) as first:
        await first.send(GET)
        assert (await first.answer())[0] == 200
        async with wire(url) as second, asyncio.timeout(SECONDS):
            await second.send(b"POST /api/audio/upload HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", bytes(4_000_000))
            [(status, headers, body)] = await second.answers()
            assert (status, headers["content-type"]) == (503, "application/problem+json")
            assert json.loads(body)["type"] == "urn:pegasus:problem:too-many-connections"


@pytest.fixture
def starved(tmp_path: Path, database: str) -> Iterator[Run]:
    """A server that has worked already, for a test that takes its descriptors away."""
    with running(tmp_path, DATABASE_URL=database, PROCESSING="off") as run:
        for _ in range(3):
            httpx.post(f"{run.url()}/api/audio/upload", files={"file": ("memo.wav", WAV)})
        yield run


def leave_descriptors(run: Run, count: int) -> None:
    """Lets the server open so many descriptors more. What is limited is their number, and the lowest is taken first."""
    taken = {int(path.name) for path in Path(f"/proc/{run.process.pid}/fd").iterdir()}
    free = (number for number in itertools.count() if number not in taken)
    _, hard = resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, (next(itertools.islice(free, count, None)), hard))


async def test_no_descriptor_for_a_file_is_no_fault(starved: Run, kept: Look) -> None:
    """Where no file can be opened a request is answered 503, and what is acknowledged is kept; then all is well."""
    answers = list[httpx.Response]()
    small, large = WAV, WAV + bytes(900_000)
    with httpx.Client(base_url=starved.url(), timeout=SECONDS) as client:
        recorded = client.post("/api/audio/upload", files={"file": ("memo.wav", large)}).json()["id"]
        for count in range(1, 6):  # the first is for a connection
            leave_descriptors(starved, count)
            answers += [client.post("/api/audio/upload", files={"file": ("a.wav", it)}) for it in (small, large)]
            answers.append(client.get(f"/api/audio/{recorded}/download"))
            answers.append(client.get("/api/audio/"))
        leave_descriptors(starved, 1000)
        assert client.post("/api/audio/upload", files={"file": ("memo.wav", small)}).status_code == 200
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 503} == {"5"}
    acknowledged = [answer for answer in answers if answer.status_code == 200 and answer.request.method == "POST"]
    assert len((await kept()).rows) == 5 + len(acknowledged)
    assert [event for event in starved.events() if "exception" in event] == []


def test_no_descriptor_for_a_connection_is_said(starved: Run) -> None:
    """Where no connection can be accepted the log and a metric say so within seconds, and the service recovers."""
    url = starved.url()
    leave_descriptors(starved, 0)
    latest = time.monotonic() + SECONDS
    with ExitStack() as stack:
        while not has_logged(starved, "connections are refused"):  # what ends meanwhile leaves room that is taken again
            assert time.monotonic() < latest, starved.said
            stack.enter_context(socket.create_connection(address_of(url)))
            time.sleep(0.02)
    leave_descriptors(starved, 1000)
    assert until_served(url) < SECONDS
    counted = parsed(httpx.get(f"{url}/metrics").text)
    assert value(counted, "pegasus_http_connections_refused_total", limit="descriptors") >= 1


def has_logged(run: Run, event: str) -> bool:
    """Whether the log has such a line."""
    return any(json.loads(line)["event"] == event for line in list(run.said))
