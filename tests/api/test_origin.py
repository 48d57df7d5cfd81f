"""Who may talk to a server that asks for no token."""

import httpx
import pytest
from starlette.datastructures import Headers

from api.origin import ForeignHost, ForeignOrigin, ProxiedRequest, RequestRefused, check_origin
from tests.api.conftest import Look, problem
from tests.audio.samples import recording

Raw = list[tuple[bytes, bytes]]


def verdict(
    *headers: tuple[str, str], host: str = "127.0.0.1", open_to_all: bool = False
) -> type[RequestRefused] | None:
    """Which refusal a request with these headers gets."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    try:
        check_origin(Headers(raw=raw), host=host, open_to_all=open_to_all)
    except RequestRefused as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    "own",
    ["127.0.0.1", "127.0.0.1:8000", "localhost", "LocalHost:1", "[::1]", "[::1]:8000", "127.8.9.1", "pegasus.test:80"],
)
def test_this_machine_may_come_in(own: str) -> None:
    """Addressed to a loopback address, by any port, or to the configured host, a request comes in."""
    assert verdict(("host", own), host="pegasus.test") is None
    assert verdict(("host", own), ("origin", f"http://{own}"), host="pegasus.test") is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:8000",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "10.0.0.1",
        "0.0.0.0",
        "",
        "[",
        "a@localhost.x",
    ],
)
def test_other_names_for_this_machine_are_refused(host: str) -> None:
    """A name that somebody else makes point here is refused, as DNS rebinding has it."""
    assert verdict(("host", host)) is ForeignHost


def test_exactly_one_host_is_named() -> None:
    """A request without a host, or with two, is refused."""
    assert verdict() is ForeignHost
    assert verdict(("host", "localhost"), ("host", "localhost")) is ForeignHost


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
@pytest.mark.parametrize("open_to_all", [True, False])
def test_pages_of_other_sites_are_refused(origin: str, *, open_to_all: bool) -> None:
    """A page of another origin, of another port too, may not send anything, with and without AUTH=open."""
    headers = (("host", "127.0.0.1:8000"), ("origin", origin))
    assert verdict(*headers, open_to_all=open_to_all) is ForeignOrigin


def test_an_unknown_origin_is_no_unknown_host() -> None:
    """Without a host no origin is our own."""
    assert verdict(("origin", "null"), open_to_all=True) is ForeignOrigin


@pytest.mark.parametrize(
    "name", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"]
)
def test_proxied_requests_are_refused(name: str) -> None:
    """A server for its own machine takes nothing that a proxy lets in; with AUTH=open it does."""
    headers = (("host", "localhost"), (name, "for=1.2.3.4"))
    assert verdict(*headers) is ProxiedRequest
    assert verdict(*headers, open_to_all=True) is None


def test_open_servers_have_any_name() -> None:
    """With AUTH=open any name may be the server's, and its own pages may send, behind TLS too."""
    assert verdict(("host", "pegasus.example"), open_to_all=True) is None
    own = (("host", "pegasus.example"), ("origin", "https://pegasus.example"))
    assert verdict(*own, open_to_all=True) is None


@pytest.mark.parametrize(
    ("headers", "slug"),
    [
        ({"Origin": "http://evil.test"}, "foreign-origin"),
        ({"Host": "evil.test"}, "foreign-host"),
        ({"X-Forwarded-For": "1.2.3.4"}, "proxied-request"),
    ],
)
async def test_a_foreign_upload_leaves_nothing(
    client: httpx.AsyncClient, kept: Look, headers: dict[str, str], slug: str
) -> None:
    """What doesn't come from where it may is refused, and leaves nothing."""
    answer = await client.post("/api/audio/upload", files={"file": ("memo.wav", recording("wav"))}, headers=headers)
    problem(answer, status=403, slug=slug)
    assert await kept() == type(await kept())([], set())
