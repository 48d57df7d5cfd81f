"""Who may talk to a server that asks for no token: requests to its own names, and not from pages of other sites."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers

from api.guards.request_origin import (
    ForeignHost,
    ForeignOrigin,
    HostMalformed,
    RequestRefused,
    check_host,
    check_origin,
    check_unproxied,
    own_hosts,
)
from api.http1.listener import claim_address
from api.http1.server import server_for
from app.application import create_app
from core.errors import SettingRefused
from core.settings import Settings, load_settings
from tests.api.access.test_auth import bearing
from tests.api.conftest import Look, MakeToken, Serve, problem
from tests.audio.samples import recording
from tests.serving import served

ALLOWED = "Pegasus.Example., 192.0.2.7 ,[2001:DB8::7]"
FOREIGN = [
    "evil.test",
    "evil.test:8000",
    "localhost.evil.test",
    "127.0.0.1.evil.test",
    "evil.test.",
    "10.0.0.1",
    "0.0.0.0",
    "[2001:db8::1]",
    "[::ffff:10.0.0.1]",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "..",
]
MALFORMED = ["", "[", "a@localhost", "localhost:port", "localhost:8000:8000", "localhost, evil.test", "[127.0.0.1]"]


def verdict(
    *headers: tuple[str, str],
    host: str = "127.0.0.1",
    allowed: str | None = None,
    arrived_at: str = "127.0.0.1",
    http_version: str = "1.1",
) -> type[RequestRefused] | None:
    """Which refusal a request with these headers gets where no token is needed and no proxy expected."""
    sent = Headers(raw=[(name.encode(), value.encode("latin-1")) for name, value in headers])
    own = own_hosts(load_settings(host=host, auth="open", allowed_hosts=allowed))
    try:
        check_origin(sent, http_version=http_version)
        check_host(sent, own, arrived_at=arrived_at)
        check_unproxied(sent)
    except RequestRefused as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    "own",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "127.0.0.1.:8000",
        "localhost",
        "LocalHost:1",
        "localhost.",
        "localhost:",
        "[::1]",
        "[::1]:8000",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]:8000",
        "127.8.9.1",
        "pegasus.test:80",
        socket.gethostname(),
    ],
)
def test_this_machine_may_come_in(own: str) -> None:
    """Addressed to a loopback address, by any port, to the machine's name or the configured host, it comes in."""
    assert verdict(("host", own), host="pegasus.test") is None
    assert verdict(("host", own), ("origin", f"http://{own}"), host="pegasus.test") is None


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_for_this_machine_are_refused(host: str) -> None:
    """A name that somebody else makes point here is refused, as DNS rebinding has it; so is another's address."""
    assert verdict(("host", host)) is ForeignHost
    assert verdict(("host", host), ("origin", f"http://{host}")) is ForeignHost


@pytest.mark.parametrize("host", MALFORMED)
def test_what_names_no_host_is_refused(host: str) -> None:
    """What isn't a name or an address and perhaps a port is nobody's."""
    assert verdict(("host", host)) is HostMalformed


def test_exactly_one_host_is_named() -> None:
    """A request without a host, or with two, is refused; HTTP/1.0 knows none, and then it isn't ours."""
    assert verdict() is HostMalformed
    assert verdict(("host", "localhost"), ("host", "localhost")) is HostMalformed
    assert verdict(("host", "localhost"), ("host", "evil.test"), http_version="1.0") is HostMalformed
    assert verdict(http_version="1.0") is ForeignHost


@pytest.mark.parametrize(
    "host",
    ["pegasus.example", "PEGASUS.EXAMPLE:443", "pegasus.example.", "192.0.2.7:8000", "[2001:db8:0::7]:8000"],
)
def test_allowed_hosts_are_ours(host: str) -> None:
    """The names and addresses in ALLOWED_HOSTS are answered to, however they are spelt, and no others."""
    assert verdict(("host", host)) is ForeignHost
    assert verdict(("host", host), allowed=ALLOWED) is None
    assert verdict(("host", "evil.pegasus.example"), allowed=ALLOWED) is ForeignHost


@pytest.mark.parametrize("setting", ["a.example:80", "http://a.example", "a.example/", "a.example;b", "*", ",", "a,,b"])
def test_impossible_allowed_hosts_are_refused(setting: str) -> None:
    """What could never be compared stops the start."""
    with pytest.raises(SettingRefused, match="ALLOWED_HOSTS"):
        load_settings(allowed_hosts=setting)


def test_the_address_that_was_connected_to_is_ours() -> None:
    """On a server that listens everywhere, the address at this end of a connection may be named; a name may not."""
    assert verdict(("host", "10.0.0.1:8000"), arrived_at="10.0.0.1") is None
    assert verdict(("host", "[fe80::1]"), arrived_at="fe80::1%eth0") is None
    assert verdict(("host", "evil.test"), arrived_at="evil.test") is ForeignHost


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:9000",
        "http://localhost:8000",
        "",
        "x",
        "file://",
    ],
)
def test_pages_of_other_sites_are_refused(origin: str) -> None:
    """A page of another origin, of another port too, may not send anything."""
    assert verdict(("host", "127.0.0.1:8000"), ("origin", origin)) is ForeignOrigin


def test_without_a_host_no_origin_is_ours() -> None:
    """Where no host is named, no page is this server's."""
    assert verdict(("origin", "null"), http_version="1.0") is ForeignOrigin


@pytest.mark.parametrize(
    "name", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"]
)
async def test_proxied_requests_are_refused(serve: Serve, name: str) -> None:
    """A server for its own machine takes nothing that a proxy lets in; with AUTH=open it does."""
    async with serve() as client:
        answer = await client.get("/api/audio/", headers={name: "for=1.2.3.4"})
        problem(answer, status=403, slug="proxied-request")
    async with serve(auth="open") as client:
        assert (await client.get("/api/audio/", headers={name: "for=1.2.3.4"})).status_code == 200


def test_own_pages_may_send_behind_tls() -> None:
    """The page of an allowed name may send, whatever its scheme."""
    own = (("host", "pegasus.example"), ("origin", "https://pegasus.example"))
    assert verdict(*own, allowed=ALLOWED) is None


@pytest.mark.parametrize("path", ["/api/audio/", "/", "/docs", "/openapi.json", "/health", "/metrics", "/nothing"])
@pytest.mark.parametrize(
    "changed",
    [{}, {"auth": "open"}, {"auth": "open", "host": "0.0.0.0"}, {"auth": "open", "host": "::"}],
    ids=["nothing set", "open", "as in a container", "everywhere"],
)
async def test_a_rebound_name_reads_nothing(serve: Serve, path: str, changed: dict[str, str]) -> None:
    """However it listens, a server without tokens says nothing to a page whose name was made to lead here."""
    async with serve(**changed) as client:
        for headers in ({"Host": "evil.test:8000"}, {"Host": "evil.test:8000", "Origin": "http://evil.test:8000"}):
            problem(await client.get(path, headers=headers), status=421, slug="foreign-host")
        assert (await client.get(path, headers={"Host": "127.0.0.1:8000"})).status_code in {200, 404}


async def test_tokens_let_a_server_have_any_name(serve: Serve, make_token: MakeToken) -> None:
    """Where a token is needed it decides who may: nobody lists the names of such a server's proxies."""
    async with serve(auth="tokens") as client:
        _, secret = await make_token("ada")
        elsewhere = {"Host": "pegasus.example"}
        assert (await client.get("/api/audio/", headers=elsewhere | bearing(secret))).status_code == 200
        problem(await client.get("/api/audio/", headers=elsewhere), status=401, slug="token-missing")


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Origin": "http://evil.test"}, 403, "foreign-origin"),
        ({"Host": "evil.test"}, 421, "foreign-host"),
        ({"Host": "evil.test", "Origin": "http://evil.test"}, 421, "foreign-host"),
        ({"X-Forwarded-For": "1.2.3.4"}, 403, "proxied-request"),
    ],
)
async def test_a_foreign_upload_leaves_nothing(
    client: httpx.AsyncClient, kept: Look, headers: dict[str, str], status: int, slug: str
) -> None:
    """What doesn't come from where it may is refused, and leaves nothing."""
    answer = await client.post("/api/audio/upload", files={"file": ("memo.wav", recording("wav"))}, headers=headers)
    problem(answer, status=status, slug=slug)
    assert await kept() == type(await kept())([], set())


@pytest.mark.parametrize(
    ("auth", "arrived_at", "status"),
    [(None, "10.0.0.1", 403), (None, "[fd00::1]", 403), (None, "127.0.0.1", 200), ("open", "10.0.0.1", 200)],
)
async def test_another_machine_needs_somebodys_word(
    serve: Serve, auth: str | None, arrived_at: str, status: int
) -> None:
    """Whichever server runs it: what comes from another machine is refused until a setting says who may."""
    async with serve(auth=auth) as client:
        answer = await client.get(f"http://{arrived_at}:8000/api/audio/", headers={"Host": "localhost"})
    assert answer.status_code == status
    if status == 403:
        problem(answer, status=403, slug="access-undecided")


@pytest.fixture
async def open_port(settings: Settings, tmp_path: Path) -> AsyncIterator[int]:
    """The port of a server with AUTH=open on a real socket."""
    listener = claim_address(settings)
    application = create_app(Settings(**settings.model_dump() | {"auth": "open"}))
    async with served(server_for(application), listener):
        yield listener.getsockname()[1]


async def first_line(port: int, *lines: str) -> str:
    """The status line of the answer to a head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("GET /api/audio/ HTTP/1.1", "Host: 127.0.0.1"), "200 OK"),
        (("GET /api/audio/ HTTP/1.1", "HOST:LOCALHOST.:1"), "200 OK"),
        (("GET http://127.0.0.1:8000/api/audio/ HTTP/1.1", "Host: 127.0.0.1:8000"), "200 OK"),
        (("GET /api/audio/ HTTP/1.1", "Host: evil.test"), "421 Misdirected Request"),
        (("GET http://evil.test/api/audio/ HTTP/1.1", "Host: evil.test"), "421 Misdirected Request"),
        (("GET http://evil.test/api/audio/ HTTP/1.1", "Host: 127.0.0.1"), "400 Bad Request"),
        (("GET http://127.0.0.1/api/audio/ HTTP/1.1", "Host: evil.test"), "400 Bad Request"),
        (("GET http://127.0.0.1@evil.test/ HTTP/1.1", "Host: 127.0.0.1"), "400 Bad Request"),
        (("GET /api/audio/ HTTP/1.1", "Host: 127.0.0.1", "Host: evil.test"), "400 Bad Request"),
        (("GET /api/audio/ HTTP/1.1",), "400 Bad Request"),
        (("GET /api/audio/ HTTP/1.1", "Host:"), "400 Bad Request"),
        (("GET /api/audio/ HTTP/1.0",), "421 Misdirected Request"),
        (("CONNECT evil.test:443 HTTP/1.1", "Host: 127.0.0.1"), "400 Bad Request"),
    ],
)
async def test_however_a_request_names_its_host(open_port: int, lines: tuple[str, ...], status: str) -> None:
    """On the wire, too, only what is addressed to this machine, and to it alone, is answered."""
    assert await first_line(open_port, *lines) == f"HTTP/1.1 {status}"
