"""Who may: when a token is needed, what it shows, and that nothing of it gets out."""

import asyncio
import base64
import json
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from access import tokens
from access.authenticator import REMEMBERED_SECONDS
from access.guess_limit import PER_MINUTE
from app.application import create_app
from audio.intake.resumable.resumable_uploads import ADDRESS_LIMIT_FACTOR
from core.settings import Settings
from tests.api.conftest import MakeToken, Revoke, Serve, problem
from tests.api.test_main import forked, refusal
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.forks import ended_fork

SECRET, ADMIN_SECRET = "correct-horse-battery-ada", "correct-horse-battery-all"
STATIC = f"{SECRET}=ada,{ADMIN_SECRET}=*"
TUS, BYTES = {"Tus-Resumable": "1.0.0"}, {"Content-Type": "application/offset+octet-stream"}
UNKNOWN = "pegasus_" + "x" * 43
LIST = "/api/audio/"
ABOUT_ALL = {("GET", "/api/audio" + more) for more in ("", "/", "/archive.zip", "/events", "/tags")} | {
    ("POST", "/api/audio" + more) for more in ("/bulk", "/labels/rename", "/upload")
}
OF_ADMINS = {("GET", path) for path in ("/api/server", "/api/tokens", "/metrics")} | {
    ("POST", "/api/tokens"),
    ("DELETE", "/api/tokens/{token_id}"),
}
OF_ONESELF = {("GET", "/api/usage")}
UPLOADS = {(method, "/api/uploads" + more) for method in ("OPTIONS", "POST") for more in ("", "/")} | {
    ("OPTIONS", "/api/audio/upload")
}
ABOUT_ONE_UPLOAD = {
    (method, "/api/uploads/{upload_id}" + more)
    for method in ("OPTIONS", "HEAD", "GET", "PATCH", "DELETE")
    for more in ("", "/")
}


def bearing(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def put_row(run_sql: RunSql, user_id: str | None, tag: str = "Tag") -> UUID:
    """A recording of somebody's, as a row."""
    recording_id = uuid4()
    await run_sql(
        "INSERT INTO audio_files (id, filename, file_path, processing_status, user_id, tag, category)"
        " VALUES ($1, 'memo.wav', $2, 'uploaded', $3, $4, $4)",
        recording_id,
        f"2024/{recording_id}.wav",
        user_id,
        tag,
    )
    return recording_id


def routes(app: FastAPI) -> set[tuple[str, str]]:
    """Every method and path that the application answers, whether its documentation shows it or not."""
    found = set()
    for route in app.routes:
        parts: list[Any] = route.effective_candidates() if hasattr(route, "effective_candidates") else [route]
        found |= {(method, part.path.replace(":uuid", "")) for part in parts for method in part.methods}
    return found


@pytest.fixture
def protected(settings: Settings) -> set[tuple[str, str]]:
    """The routes that ask who is asking."""
    found = routes(create_app(settings))
    others = {path for _, path in found if not path.startswith("/api")}
    assert others == {
        "/",
        "/docs",
        "/docs/{name}",
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/openapi.json",
        "/r/{recording_id}",  # the page, whatever the id
        "/redoc",
        "/service_worker.js",
        "/settings",  # the page
        "/web/{name}",
    }
    asking = {(method, path) for method, path in found if path.startswith("/api") and path != "/api/session"}
    return asking | {("GET", "/metrics")}


async def call(client: httpx.AsyncClient, method: str, path: str, secret: str, **ids: Any) -> httpx.Response:
    bodies = {"speakers": {"speakers": {}}, "transcript": {"text": "New"}}
    body = bodies.get(path.rpartition("/")[2], {"tag": "New"}) if method in {"PUT", "PATCH"} else None
    return await client.request(method, path.format(**ids), json=body, headers=bearing(secret))


async def test_no_route_is_open(serve: Serve, protected: set[tuple[str, str]]) -> None:
    """Where a token is needed, each route below /api and each unknown path there refuses a request without one."""
    async with serve(auth="tokens") as client:
        for method, path in protected | {("GET", "/api"), ("GET", "/api/unknown"), ("OPTIONS", "/api/audio/upload")}:
            answer = await client.request(
                method, path.format(recording_id=uuid4(), upload_id=uuid4(), token_id=uuid4())
            )
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == 'Bearer realm="pegasus"'
            if method != "HEAD":
                problem(answer, status=401, slug="token-missing")
        for path in ("/", "/health", "/health/live", "/health/ready", "/docs", "/openapi.json", "/api/session"):
            assert (await client.get(path)).status_code == 200, path
        assert (await client.get("/nowhere")).status_code == 404


@pytest.mark.parametrize(
    "sent",
    [
        f"Bearer {UNKNOWN}",
        UNKNOWN,
        SECRET[:-1],
        f"{SECRET} ",
        "Basic YWRhOmFkYQ==",
        f"Bearer {SECRET} {SECRET}",
        "x" * 10_000,
        "\u00e4" * 30,
    ],
)
@pytest.mark.parametrize("auth", ["tokens", "open", None])
async def test_a_wrong_token_is_refused(serve: Serve, sent: str, auth: str | None) -> None:
    """A token that is sent has to be valid, also where none is needed; what is no token is refused alike."""
    async with serve(auth=auth, auth_tokens=STATIC) as client:
        answer = await client.get(LIST, headers={b"Authorization": sent.encode("latin-1")})
        if sent.strip() == SECRET:  # blanks around a header's value aren't part of it
            assert answer.status_code == 200
            return
        problem(answer, status=401, slug="token-invalid")
        assert answer.headers["www-authenticate"] == 'Bearer realm="pegasus", error="invalid_token"'
        assert sent.strip() not in answer.text
        twice = [("Authorization", SECRET), ("Authorization", SECRET)]
        problem(await client.get(LIST, headers=twice), status=401, slug="token-invalid")


@pytest.mark.parametrize("sent", ["{}", "Bearer {}", "bearer {}", "BEARER   {}"])
async def test_a_token_is_sent_bare_or_as_bearer(serve: Serve, make_token: MakeToken, sent: str) -> None:
    """Clients send a token bare or as `Bearer`, in any case; static ones and those of the table alike."""
    async with serve(auth="tokens", auth_tokens=STATIC) as client:
        _, secret = await make_token("ada")
        for one in (secret, SECRET):
            answer = await client.get(LIST, headers={"Authorization": sent.format(one)})
            assert answer.status_code == 200, answer.text


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A function that puts the authenticator's clock forward."""

    def forward(seconds: float) -> None:
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + seconds)
        monkeypatch.setattr("access.authenticator.time", clock)

    return forward


async def test_the_first_token_closes_the_door(
    serve: Serve, make_token: MakeToken, revoke: Revoke, pass_time: Callable[[float], None]
) -> None:
    """With AUTH empty no token is needed until there is one; and revoking the last doesn't open the door again."""
    async with serve() as client:
        assert (await client.get(LIST)).status_code == 200
        token_id, secret = await make_token("ada")
        assert (await client.get(LIST, headers=bearing(secret))).status_code == 200
        pass_time(REMEMBERED_SECONDS)  # for so long it may remember that there was none
        problem(await client.get(LIST), status=401, slug="token-missing")
        await revoke(token_id)
        problem(await client.get(LIST), status=401, slug="token-missing")
        problem(await client.get(LIST, headers=bearing(secret)), status=401, slug="token-invalid")


async def test_a_token_of_the_settings_closes_the_door(serve: Serve) -> None:
    """With AUTH empty a token in the settings is one that was configured."""
    async with serve(auth_tokens=STATIC) as client:
        problem(await client.get(LIST), status=401, slug="token-missing")


async def test_an_open_door_still_tells_users_apart(serve: Serve, run_sql: RunSql) -> None:
    """With AUTH=open a token isn't needed, and who sends one sees what it shows."""
    async with serve(auth="open", auth_tokens=STATIC) as client:
        await put_row(run_sql, "ada")
        await put_row(run_sql, "ben")
        assert (await client.get(LIST)).json()["total"] == 2
        assert (await client.get(LIST, headers=bearing(SECRET))).json()["total"] == 1


async def test_proxies_come_with_tokens(
    serve: Serve, make_token: MakeToken, pass_time: Callable[[float], None]
) -> None:
    """What comes through a proxy is refused until a token decides who may, and another site's page always."""
    proxied = {"X-Forwarded-For": "1.2.3.4", "Host": "pegasus.example"}
    async with serve() as client:
        problem(await client.get(LIST, headers=proxied), status=421, slug="foreign-host")
        problem(await client.get(LIST, headers={"Via": "proxy"}), status=403, slug="proxied-request")
        _, secret = await make_token("ada")
        pass_time(REMEMBERED_SECONDS)
        assert (await client.get(LIST, headers=proxied | bearing(secret))).status_code == 200
        problem(await client.get(LIST, headers=proxied), status=401, slug="token-missing")
        foreign = {"Origin": "http://evil.test"} | bearing(secret)
        problem(await client.get(LIST, headers=foreign), status=403, slug="foreign-origin")


async def test_another_users_recording_is_missing(
    serve: Serve, make_token: MakeToken, run_sql: RunSql, protected: set[tuple[str, str]]
) -> None:
    """On every route about a recording, another's answers word for word as one that doesn't exist, and stays as it is.

    A new route fails here until it is thought of: its parameter, or what it shows to whom.
    """
    about_one = {(method, path) for method, path in protected if "{" in path} - ABOUT_ONE_UPLOAD - OF_ADMINS
    assert protected - about_one == ABOUT_ALL | UPLOADS | ABOUT_ONE_UPLOAD | OF_ADMINS | OF_ONESELF
    async with serve(auth="tokens") as client:
        theirs, nobodys = await put_row(run_sql, "ada"), await put_row(run_sql, None)
        before = await run_sql("SELECT * FROM audio_files ORDER BY id")
        _, bens = await make_token("ben")
        for method, path in about_one:
            missing = await call(client, method, path, bens, recording_id=uuid4())
            assert missing.status_code == 404, (method, path)
            for one in (theirs, nobodys):
                answer = await call(client, method, path, bens, recording_id=one)
                assert (answer.status_code, answer.content) == (404, missing.content), (method, path)
                assert set(answer.headers) == set(missing.headers)
        assert await run_sql("SELECT * FROM audio_files ORDER BY id") == before


async def test_ones_own_recording_is_there(serve: Serve, make_token: MakeToken, run_sql: RunSql) -> None:
    """A user's token reads, labels and deletes the user's own recordings, and an admin's anybody's."""
    async with serve(auth="tokens", auth_tokens=STATIC) as client:
        _, adas = await make_token("ada")
        _, admins = await make_token("root", admin=True)
        for secret in (adas, SECRET, admins, ADMIN_SECRET):
            one = await put_row(run_sql, "ada")
            for method, path in (("GET", "{id}"), ("GET", "{id}/transcript"), ("PUT", "{id}/tags"), ("DELETE", "{id}")):
                answer = await call(client, method, f"/api/audio/{path}", secret, id=one)
                assert answer.status_code == 200, (method, path, answer.text)


async def test_downloads_at_once_are_told_apart(serve: Serve, make_token: MakeToken) -> None:
    """Of many downloads that come together each gets its own recording's bytes, and nobody another's."""
    async with serve(auth="tokens") as client:
        secrets = [(await make_token(user))[1] for user in ("ada", "ben")]
        paths, contents = {}, {}
        for secret in secrets:
            for number in range(5):
                content = recording("wav") + secret.encode() * number
                answer = await client.post(
                    "/api/audio/upload", files={"file": ("memo.wav", content)}, headers=bearing(secret)
                )
                path = f"/api/audio/{answer.json()['id']}/download"
                paths[path], contents[path] = secret, content
        both = [(path, secret) for path in paths for secret in secrets]
        answers = await asyncio.gather(*(client.get(path, headers=bearing(secret)) for path, secret in both * 3))
        for (path, secret), answer in zip(both * 3, answers, strict=True):
            assert answer.status_code == (200 if paths[path] == secret else 404)
            assert (answer.content == contents[path]) is (paths[path] == secret)


async def begin_upload(client: httpx.AsyncClient, secret: str, **user: str) -> httpx.Response:
    """Begins a resumable upload of 100 bytes, for a user where one is named."""
    said = {"Upload-Metadata": f"user_id {base64.b64encode(user['user_id'].encode()).decode()}"} if user else {}
    return await client.post("/api/uploads", headers=TUS | bearing(secret) | {"Upload-Length": "100"} | said)


async def test_another_users_upload_is_missing(serve: Serve, make_token: MakeToken) -> None:
    """On every route about an upload, another's answers word for word as one that doesn't exist, and stays."""
    async with serve(auth="tokens", auth_tokens=STATIC) as client:
        _, bens = await make_token("ben")
        theirs = (await begin_upload(client, SECRET)).headers["location"]
        for method in ("HEAD", "PATCH", "DELETE"):
            headers = TUS | BYTES | {"Upload-Offset": "0"}
            missing = await client.request(method, f"/api/uploads/{uuid4()}", headers=headers | bearing(bens))
            answer = await client.request(method, theirs, headers=headers | bearing(bens))
            assert (answer.status_code, answer.content) == (404, missing.content), method
            assert set(answer.headers) == set(missing.headers)
        draft = {"Upload-Draft-Interop-Version": "10"}
        for method in ("HEAD", "GET", "PATCH", "DELETE"):
            appended = {"Upload-Offset": "0", "Upload-Complete": "?1", "Content-Type": "application/partial-upload"}
            headers = draft | (appended if method == "PATCH" else {}) | bearing(bens)
            missing = await client.request(method, f"/api/uploads/{uuid4()}", headers=headers)
            answer = await client.request(method, theirs, headers=headers)
            assert (answer.status_code, answer.content) == (404, missing.content), method
            assert set(answer.headers) == set(missing.headers)
        for secret in (SECRET, ADMIN_SECRET):
            assert (await client.head(theirs, headers=TUS | bearing(secret))).status_code == 200
            assert (await client.head(theirs, headers=draft | bearing(secret))).status_code == 204


async def test_an_upload_becomes_its_users(serve: Serve, make_token: MakeToken, run_sql: RunSql) -> None:
    """What a user's token uploads is the user's, whatever the metadata say; an admin may upload for others."""
    async with serve(auth="tokens") as client:
        _, adas = await make_token("ada")
        _, admins = await make_token("root", admin=True)
        for secret in (adas, admins):
            assert (await begin_upload(client, secret, user_id="ben")).status_code == 201
    rows = await run_sql("SELECT user_id FROM pegasus_system.uploads ORDER BY created_at")
    assert [row["user_id"] for row in rows] == ["ada", "ben"]


@pytest.mark.parametrize("kind", ["of the table", "of the settings"])
async def test_open_uploads_are_counted(serve: Serve, make_token: MakeToken, kind: str) -> None:
    """A token has at most so many unfinished uploads, also when they are begun at once; one less is one more."""
    async with serve(auth="tokens", auth_tokens=STATIC, open_uploads=3) as client:
        _, secret = await make_token("ben")
        one, other = (secret, SECRET) if kind == "of the table" else (SECRET, secret)
        answers = await asyncio.gather(*(begin_upload(client, one) for _ in range(8)))
        begun = [answer.headers["location"] for answer in answers if answer.status_code == 201]
        assert len(begun) == 3
        for answer in answers:
            if answer.status_code != 201:
                assert problem(answer, status=429, slug="too-many-open-uploads")["limit"] == 3
        assert (await begin_upload(client, other)).status_code == 201
        assert (await client.delete(begun[0], headers=TUS | bearing(one))).status_code == 204
        assert (await begin_upload(client, one)).status_code == 201


async def test_open_uploads_of_an_address_are_counted(serve: Serve) -> None:
    """Without tokens an address has so many unfinished uploads, and holds up no other one; one less is one more."""
    async with serve(open_uploads=1) as client:
        begin = partial(client.post, "/api/uploads", headers=TUS | {"Upload-Length": "100"})
        answers = await asyncio.gather(*(begin() for _ in range(ADDRESS_LIMIT_FACTOR + 5)))
        begun = [answer.headers["location"] for answer in answers if answer.status_code == 201]
        assert len(begun) == ADDRESS_LIMIT_FACTOR
        assert problem(await begin(), status=429, slug="too-many-open-uploads")["limit"] == ADDRESS_LIMIT_FACTOR
        elsewhere = httpx.ASGITransport(client._transport.app, client=("192.0.2.1", 1))  # type: ignore[attr-defined]
        async with httpx.AsyncClient(transport=elsewhere, base_url=client.base_url) as other:
            begun_there = await other.post("/api/uploads", headers=TUS | {"Upload-Length": "100"})
            assert begun_there.status_code == 201
        assert (await client.delete(begun[0], headers=TUS)).status_code == 204
        assert (await begin()).status_code == 201


async def test_begun_uploads_are_counted_by_the_minute(serve: Serve) -> None:
    """A resumable upload counts once when it begins, as any upload, and not with each of its pieces."""
    async with serve(uploads_per_minute=2, auth="tokens", auth_tokens=STATIC) as client:
        where = (await begin_upload(client, SECRET)).headers["location"]
        for offset in range(5):
            headers = TUS | BYTES | bearing(SECRET) | {"Upload-Offset": str(offset)}
            assert (await client.patch(where, content=b"x", headers=headers)).status_code == 204
        assert (await begin_upload(client, SECRET)).status_code == 201
        problem(await begin_upload(client, SECRET), status=429, slug="too-many-uploads")


async def test_an_upload_past_the_quota_is_refused(serve: Serve, run_sql: RunSql) -> None:
    """The quota is asked when an upload begins, and again with its bytes; once there is room it goes on."""
    content = recording("wav") + bytes(400_000)
    size = {"Upload-Length": str(len(content))}
    async with serve(user_quota_recordings=1, auth="tokens", auth_tokens=STATIC) as client:
        begun = [await client.post("/api/uploads", headers=TUS | bearing(SECRET) | size) for _ in range(2)]
        headers = TUS | BYTES | bearing(SECRET) | {"Upload-Offset": "0"}
        first, second = [one.headers["location"] for one in begun]
        assert (await client.patch(first, content=content, headers=headers)).status_code == 204
        problem(await client.patch(second, content=content, headers=headers), status=403, slug="quota-passed")
        assert (await client.post("/api/uploads", headers=TUS | bearing(SECRET) | size)).status_code == 403
        await run_sql("DELETE FROM audio_files")
        at_end = headers | {
            "Upload-Offset": (await client.head(second, headers=TUS | bearing(SECRET))).headers["upload-offset"]
        }
        answer = await client.patch(second, content=content[int(at_end["Upload-Offset"]) :], headers=at_end)
        assert answer.headers["upload-recording-id"]


async def test_lists_show_ones_own(serve: Serve, make_token: MakeToken, run_sql: RunSql) -> None:
    """Lists and tags hold a user's own recordings, whatever user the query names; an admin's query is heeded."""
    async with serve(auth="tokens") as client:
        for user in ("ada", "ben", None):
            await put_row(run_sql, user, tag=f"of {user}")
        _, adas = await make_token("ada")
        _, admins = await make_token("root", admin=True)
        expected = {
            (adas, ""): ["of ada"],
            (adas, "?user_id=ben"): ["of ada"],
            (adas, "?user_id=ada"): ["of ada"],
            (admins, ""): ["of None", "of ada", "of ben"],
            (admins, "?user_id=ben"): ["of ben"],
            (admins, "?user_id=root"): [],
        }
        for (secret, query), tags in expected.items():
            page = (await client.get(f"/api/audio{query}", headers=bearing(secret))).json()
            assert sorted(item["tag"] for item in page["items"]) == tags
            assert page["total"] == len(tags)
            found = (await client.get(f"/api/audio/tags{query}", headers=bearing(secret))).json()
            assert found == {"tags": tags, "categories": tags}
        search = await client.get("/api/audio?q=of&tag=of ben", headers=bearing(adas))
        assert search.json()["items"] == []


def test_a_refused_upload_is_never_sent(tmp_path: Path, database: str) -> None:
    """A client that waits for `100 Continue` gets its 401 instead, and sends nothing."""
    with forked(tmp_path, DATABASE_URL=database, AUTH="tokens") as run:
        address = httpx.URL(run.url())
        head = "POST /api/audio/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        with socket.create_connection((address.host, address.port or 0)) as client:
            client.sendall(f"{head}Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n".encode())
            assert client.recv(65536).startswith(b"HTTP/1.1 401 ")
        assert run.end(signal.SIGTERM) == 0


def test_the_upload_check_takes_a_token(tmp_path: Path, database: str) -> None:
    """`test_upload_endpoint.py` checks a server that asks for tokens with the one in TOKEN, and its own by itself."""
    program = "test_upload_endpoint.py"
    with forked(tmp_path, DATABASE_URL=database, AUTH_TOKENS=STATIC) as run:
        for token, code in ((ADMIN_SECRET, 0), ("", 1)):
            checked = ended_fork(program, run.url(), TOKEN=token)
            assert checked.returncode == code, checked.stderr
    own = {"DATABASE_URL": database, "AUDIO_STORAGE_PATH": str(tmp_path / "recordings"), "AUTH": "tokens"}
    assert ended_fork(program, **own).returncode == 0


def test_a_revoked_token_stops_at_once_everywhere(
    tmp_path: Path, database: str, make_token: MakeToken, revoke: Revoke
) -> None:
    """Two server processes on one database take a token as soon as it is made, and neither once it is revoked."""
    with (
        forked(tmp_path, DATABASE_URL=database, AUTH="tokens") as first,
        forked(tmp_path, DATABASE_URL=database, AUTH="tokens") as second,
    ):
        urls = [f"{run.url()}/api/audio/" for run in (first, second)]
        token_id, secret = asyncio.run(make_token("ada"))
        for _ in range(3):
            assert [httpx.get(url, headers=bearing(secret)).status_code for url in urls] == [200, 200]
        asyncio.run(revoke(token_id))
        assert [httpx.get(url, headers=bearing(secret)).status_code for url in urls] == [401, 401]


def test_no_secret_in_the_log(tmp_path: Path, database: str, make_token: MakeToken, revoke: Revoke) -> None:
    """At DEBUG, whatever is done with tokens valid, wrong and revoked, no line holds a token, a user or a place."""
    logged = {"LOG_LEVEL": "DEBUG", "AUTH": "tokens", "AUTH_TOKENS": "hush-static-secret=hush-user"}
    with forked(tmp_path, DATABASE_URL=database, **logged) as run:
        url = run.url()
        token_id, secret = asyncio.run(make_token("hush-user"))
        for sent in (secret, "hush-static-secret", "hush-wrong-secret", f"hush-scheme {secret}"):
            for headers in (bearing(sent), {"Authorization": sent}):
                httpx.post(f"{url}/api/audio/upload", files={"file": ("memo.wav", recording("wav"))}, headers=headers)
                httpx.get(f"{url}/api/audio/", params={"user_id": "hush-user"}, headers=headers)
        asyncio.run(revoke(token_id))
        assert httpx.get(f"{url}/api/audio/", headers=bearing(secret)).status_code == 401
        assert run.end(signal.SIGTERM) == 0
    said = "".join(run.said)
    assert "hush" not in said
    assert secret not in said
    assert tokens.hashed(secret).hex() not in said
    stored = list(tmp_path.rglob("audio_*.wav"))
    assert stored
    for path in stored:
        assert path.stem not in said
    assert str(tmp_path / "recordings") not in said
    assert json.loads(run.said[-1])


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"AUTH_TOKENS": "hush"}, "The setting AUTH_TOKENS has an impossible value: entry 1 isn't secret=user"),
        ({"AUTH_TOKENS_FILE": "/nowhere/hush"}, "The setting AUTH_TOKENS_FILE names a file that can't be read"),
        ({"AUTH": "hush"}, "The setting AUTH has an impossible value: input should be 'tokens' or 'open'"),
    ],
)
def test_impossible_settings(tmp_path: Path, database: str, environment: dict[str, str], sentence: str) -> None:
    """A token that can't be, and a file that isn't there, stop the start in a sentence that shows no value."""
    code, said = refusal(tmp_path, DATABASE_URL=database, **environment)
    assert code == 2
    assert sentence in said
    assert "hush" not in said
    assert said.count("\n") == 1


async def test_the_documentation_asks_for_the_token(serve: Serve) -> None:
    """/docs offers to send a token, with each call that takes one."""
    async with serve() as client:
        described = (await client.get("/openapi.json")).json()
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert described["paths"]["/api/audio/{recording_id}"]["get"]["security"] == [{"HTTPBearer": []}, {}]


async def test_tokens_are_not_guessed(serve: Serve, make_token: MakeToken) -> None:
    """Who tries one wrong token after the other has to wait, on every way; whose token was good goes on."""
    async with serve(auth="tokens") as client:
        _, secret = await make_token("ada")
        _, new = await make_token("ben")
        assert (await client.get(LIST, headers=bearing(secret))).status_code == 200
        for number in range(PER_MINUTE):
            answer = await client.get(LIST, headers=bearing(f"{UNKNOWN}{number}"))
            problem(answer, status=401, slug="token-invalid")
        for sent in (new, f"{UNKNOWN}x"):
            refused = await client.get(LIST, headers=bearing(sent))
            assert problem(refused, status=429, slug="too-many-guesses")["limit"] == PER_MINUTE
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            signed_in = await client.post("/api/session", json={"token": sent})
            problem(signed_in, status=429, slug="too-many-guesses")
        assert (await client.get(LIST, headers=bearing(secret))).status_code == 200
        problem(await client.get(LIST, headers=bearing(f"{UNKNOWN}1")), status=401, slug="token-invalid")
