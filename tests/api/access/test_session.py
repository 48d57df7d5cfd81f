"""Signing in: the page's cookie, what it opens, and that no other page can make use of it."""

import base64
from uuid import UUID

import httpx
import pytest

from access.authenticator import LONGEST_SECRET
from tests.api.access.test_auth import ADMIN_SECRET, SECRET, STATIC, UNKNOWN, bearing, put_row
from tests.api.conftest import MakeToken, Revoke, Serve, problem
from tests.conftest import RunSql

SESSION, LIST = "/api/session", "/api/audio/"
OWN = {"Origin": "http://127.0.0.1:8000"}
NOBODY = {"signed_in": False, "user_id": None, "admin": False}


async def sign_in(client: httpx.AsyncClient, secret: str = SECRET, **headers: str) -> httpx.Response:
    """The answer to a token that the page brings."""
    return await client.post(SESSION, json={"token": secret}, headers=OWN | headers)


async def test_signing_in_lets_the_page_in(serve: Serve) -> None:
    """The cookie opens what the token opens, until signing out; before and after that nothing is open."""
    async with serve(auth="tokens", auth_tokens=STATIC) as client:
        assert (await client.get(SESSION)).json() == {"needs_token": True, **NOBODY}
        assert (await sign_in(client)).json() == {
            "needs_token": True,
            "signed_in": True,
            "user_id": "ada",
            "admin": False,
        }
        assert (await client.get(SESSION)).json()["user_id"] == "ada"
        assert (await client.get(LIST)).status_code == 200
        assert (await client.delete(SESSION, headers=OWN)).json() == {"needs_token": True, **NOBODY}
        problem(await client.get(LIST), status=401, slug="token-missing")


async def test_the_cookie_is_out_of_the_reach_of_scripts_and_sites(serve: Serve) -> None:
    """It is HttpOnly and SameSite=Strict, Secure where the page came by https, and doesn't show the token."""
    async with serve(auth="tokens", auth_tokens=STATIC) as client:
        attributes = (await sign_in(client)).headers["set-cookie"].lower().split("; ")
        assert {"httponly", "samesite=strict", "path=/"} <= set(attributes)
        assert "secure" not in attributes
        client.cookies.clear()
        secured = await sign_in(client, Origin="https://127.0.0.1:8000")
        assert "secure" in secured.headers["set-cookie"].lower().split("; ")
        assert SECRET not in secured.headers["set-cookie"]


async def test_any_token_can_be_kept(serve: Serve) -> None:
    """A token of the settings may hold what a cookie can't."""
    secret = "semi;colon~quote\\and{brace}"
    async with serve(auth="tokens", auth_tokens=f"{secret}=ada") as client:
        assert (await sign_in(client, f" {secret}\n")).json()["user_id"] == "ada"
        assert (await client.get(LIST)).status_code == 200


@pytest.mark.parametrize("secret", [UNKNOWN, SECRET[:-1], "\u00e4" * 20, "x" * LONGEST_SECRET])
async def test_a_wrong_token_is_not_kept(serve: Serve, secret: str) -> None:
    """Signing in with what is no token is refused and leaves no cookie, whether a token is needed or not."""
    for auth in ("tokens", "open"):
        async with serve(auth=auth, auth_tokens=STATIC) as client:
            answer = await sign_in(client, secret)
            problem(answer, status=401, slug="token-invalid")
            assert "set-cookie" not in answer.headers
            assert secret not in answer.text


async def test_a_revoked_token_ends_the_session(serve: Serve, make_token: MakeToken, revoke: Revoke) -> None:
    """A token that is revoked opens nothing more; asked who is there, the server has the browser forget it."""
    async with serve(auth="tokens") as client:
        token_id, secret = await make_token("ada")
        assert (await sign_in(client, secret)).status_code == 200
        await revoke(token_id)
        problem(await client.get(LIST), status=401, slug="token-invalid")
        assert (await client.get(SESSION)).json() == {"needs_token": True, **NOBODY}
        problem(await client.get(LIST), status=401, slug="token-missing")


async def test_the_header_wins(serve: Serve, run_sql: RunSql) -> None:
    """A request with a token in its header is that token's, whatever the cookie says."""
    async with serve(auth="tokens", auth_tokens=STATIC) as client:
        await put_row(run_sql, "ben")
        await sign_in(client, ADMIN_SECRET)
        assert (await client.get(LIST)).json()["total"] == 1
        assert (await client.get(LIST, headers=bearing(SECRET))).json()["total"] == 0
        problem(await client.get(LIST, headers=bearing(UNKNOWN)), status=401, slug="token-invalid")


@pytest.mark.parametrize("cookie", ['"', "%%%", "YQ", "w6Q=", "=", base64.b64encode(UNKNOWN.encode()).decode()])
async def test_a_cookie_that_holds_no_token_is_refused(serve: Serve, cookie: str) -> None:
    """Whatever a cookie holds, it is a token or it isn't; an empty one is none."""
    async with serve(auth="open") as client:
        answer = await client.get(LIST, headers={"Cookie": f"pegasus_session={cookie}"})
        if answer.status_code != 200:
            problem(answer, status=401, slug="token-invalid")
        assert (await client.get(SESSION, headers={"Cookie": f"pegasus_session={cookie}"})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "slug"),
    [
        ({}, "origin-unknown"),
        ({"Sec-Fetch-Site": "cross-site"}, "origin-unknown"),
        ({"Sec-Fetch-Site": "same-site"}, "origin-unknown"),
        ({"Sec-Fetch-Site": "same-site", **OWN}, "origin-unknown"),
        ({"Sec-Fetch-Site": "none"}, "origin-unknown"),
        ({"Origin": "http://127.0.0.1:9000", "Sec-Fetch-Site": "same-site"}, "foreign-origin"),
        ({"Origin": "http://evil.test"}, "foreign-origin"),
        ({"Origin": "null"}, "foreign-origin"),
    ],
)
async def test_no_other_page_acts_with_the_cookie(
    serve: Serve, run_sql: RunSql, headers: dict[str, str], slug: str
) -> None:
    """What changes something with the cookie, and isn't known to come from the page, is refused and changes nothing."""
    async with serve(auth="tokens", auth_tokens=STATIC) as client:
        one = await put_row(run_sql, "ada")
        await sign_in(client)
        before = await run_sql("SELECT * FROM audio_files")
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "1"}
        for method, path, more in requests_about(one):
            answer = await client.request(method, path, json={"tag": "x"}, headers=headers | tus | more)
            problem(answer, status=403, slug=slug)
        assert await run_sql("SELECT * FROM audio_files") == before


def requests_about(one: UUID) -> list[tuple[str, str, dict[str, str]]]:
    """Requests that change something, one of them disguised as a GET."""
    return [
        ("DELETE", f"/api/audio/{one}", {}),
        ("PUT", f"/api/audio/{one}/tags", {}),
        ("POST", f"/api/audio/{one}/retry", {}),
        ("POST", "/api/audio/upload", {}),
        ("POST", "/api/uploads", {}),
        ("GET", f"/api/uploads/{one}", {"X-HTTP-Method-Override": "DELETE"}),
    ]


@pytest.mark.parametrize("headers", [OWN, {"Sec-Fetch-Site": "same-origin"}])
async def test_the_page_acts_with_the_cookie(serve: Serve, run_sql: RunSql, headers: dict[str, str]) -> None:
    """The page's own requests change what the token may change."""
    async with serve(auth="tokens", auth_tokens=STATIC) as client:
        one = await put_row(run_sql, "ada")
        await sign_in(client)
        path = f"/api/audio/{one}"
        assert (await client.put(f"{path}/tags", json={"tag": "New"}, headers=headers)).json()["tag"] == "New"
        assert (await client.delete(path, headers=headers)).status_code == 200


async def test_other_pages_of_the_same_host_read_nothing(serve: Serve) -> None:
    """A page on another port is the same site to the browser, which adds the cookie; it is refused all the same."""
    async with serve(auth="tokens", auth_tokens=STATIC) as client:
        await sign_in(client)
        answer = await client.get(LIST, headers={"Sec-Fetch-Site": "same-site"})
        problem(answer, status=403, slug="origin-unknown")
        assert (await client.get(LIST, headers={"Sec-Fetch-Site": "none"})).status_code == 200
