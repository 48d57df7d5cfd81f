"""Pages of other sites: those of ALLOWED_ORIGINS use the API with tokens, all others not at all."""

import httpx
import pytest

from api.guards.session_cookie import NAME
from core.errors import SettingRefused
from core.settings import load_settings
from tests.api.access.test_auth import bearing
from tests.api.conftest import MakeToken, Serve, problem
from tests.api.uploads.test_tus import BYTES, TUS
from tests.audio.samples import recording

ORIGINS = "https://app.example, http://localhost:5173"
APP = {"Origin": "https://app.example"}
WAV = recording("wav")
FOREIGN = [
    "https://evil.test",
    "https://app.example.evil.test",
    "http://app.example",
    "https://app.example:8443",
    "null",
]


def preflight(method: str, *headers: str, origin: str = "https://app.example") -> dict[str, str]:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return asked | ({"Access-Control-Request-Headers": ",".join(headers).lower()} if headers else {})


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/api/audio/upload", ["Authorization", "Idempotency-Key", "Content-Digest"]),
        ("POST", "/api/uploads", ["Authorization", "Tus-Resumable", "Upload-Length", "Upload-Metadata"]),
        ("PATCH", "/api/uploads/8d8ac610-566d-4ef0-9c22-186b2a5ed793", ["Tus-Resumable", "Upload-Offset"]),
        ("DELETE", "/api/audio/8d8ac610-566d-4ef0-9c22-186b2a5ed793", ["Authorization"]),
        ("PUT", "/api/audio/8d8ac610-566d-4ef0-9c22-186b2a5ed793/tags", ["Authorization", "Content-Type"]),
        ("GET", "/api/audio/", ["Authorization", "Range"]),
    ],
)
async def test_preflights_are_answered(serve: Serve, method: str, path: str, headers: list[str]) -> None:
    """Before a token is there, a browser learns that the page may send the request."""
    async with serve(auth="tokens", allowed_origins=ORIGINS) as client:
        answer = await client.options(path, headers=preflight(method, *headers))
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert method in answer.headers["access-control-allow-methods"]
        allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
        assert {name.lower() for name in headers} <= allowed
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]


async def test_an_allowed_page_uploads_and_reads(serve: Serve, make_token: MakeToken) -> None:
    """With a token it uses the API, and reads the headers of tus and of digests."""
    _, secret = await make_token("ada")
    async with serve(allowed_origins=ORIGINS) as client:
        client.headers.update(APP | bearing(secret))
        length = {"Upload-Length": str(len(WAV))}
        begun = await client.post("/api/uploads", content=WAV, headers=TUS | BYTES | length)
        assert begun.status_code == 201
        place = f"/api/audio/{begun.headers['upload-recording-id']}/download"
        for answer in (begun, await client.get(place), await client.get("/api/audio/")):
            assert answer.headers["access-control-allow-origin"] == "https://app.example"
            exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
            told = {name for name in answer.headers if name.startswith(("upload-", "tus-", "content-d", "repr-"))}
            assert told | {"location", "etag", "retry-after"} <= exposed
            assert "access-control-allow-credentials" not in answer.headers


async def test_without_a_token_it_learns_that_one_is_needed(serve: Serve) -> None:
    """Refusals can be read by the page, too."""
    async with serve(auth="tokens", allowed_origins=ORIGINS) as client:
        answer = await client.get("/api/audio/", headers=APP)
        problem(answer, status=401, slug="token-missing")
        assert answer.headers["access-control-allow-origin"] == "https://app.example"


async def test_the_cookie_counts_for_nobody_elses_page(serve: Serve, make_token: MakeToken) -> None:
    """A page of another site neither uses a session of this server's page nor begins one."""
    _, secret = await make_token("ada")
    async with serve(allowed_origins=ORIGINS) as client:
        own = {"Origin": "http://127.0.0.1:8000"}
        signed_in = await client.post("/api/session", json={"token": secret}, headers=own)
        assert NAME in signed_in.cookies
        assert (await client.get("/api/audio/", headers=own)).status_code == 200
        for method, path in [("GET", "/api/audio/"), ("DELETE", "/api/audio/8d8ac610-566d-4ef0-9c22-186b2a5ed793")]:
            problem(await client.request(method, path, headers=APP), status=403, slug="origin-unknown")
        assert (await client.get("/api/audio/", headers=APP | bearing(secret))).status_code == 200
        for method in ("POST", "DELETE"):
            refused = await client.request(method, "/api/session", json={"token": secret}, headers=APP)
            problem(refused, status=403, slug="foreign-origin")


@pytest.mark.parametrize("origin", FOREIGN)
async def test_all_others_stay_outside(serve: Serve, make_token: MakeToken, origin: str) -> None:
    """Neither a preflight nor a request of another site is answered, whatever it resembles."""
    _, secret = await make_token("ada")
    async with serve(allowed_origins=ORIGINS) as client:
        answers: list[httpx.Response] = [
            await client.options("/api/audio/upload", headers=preflight("POST", origin=origin)),
            await client.get("/api/audio/", headers={"Origin": origin} | bearing(secret)),
        ]
        for answer in answers:
            problem(answer, status=403, slug="foreign-origin")
            assert "access-control-allow-origin" not in answer.headers


async def test_by_default_there_are_none(serve: Serve) -> None:
    """Without the setting no other site's page may do anything."""
    async with serve() as client:
        problem(await client.options("/api/uploads", headers=preflight("POST")), status=403, slug="foreign-origin")


@pytest.mark.parametrize("origins", ["*", "null", "app.example", "https://app.example/path", "https://a.example;b"])
def test_an_impossible_origin_stops_the_start(origins: str) -> None:
    """What could never match, or would match everything, isn't taken for an origin."""
    with pytest.raises(SettingRefused, match="ALLOWED_ORIGINS"):
        load_settings(allowed_origins=origins)
