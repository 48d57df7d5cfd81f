"""What PostgreSQL may refuse through no fault of a request: each is told as what it is, and passes by itself.

And the other way round: what would be a fault of ours is one, and no request alone can cause it.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote_from_bytes
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.api.conftest import Look, Upload, problem
from tests.api.uploads.test_tus import TUS
from tests.api.uploads.test_upload import FILE, FORM, URL, form, part
from tests.audio.samples import recording
from tests.conftest import RunSql

FILES = {"file": ("memo.wav", recording("wav"))}
UNAVAILABLE = "database-unavailable"
PASSING = {
    "08006": UNAVAILABLE,  # the connection fails
    "25006": UNAVAILABLE,  # read-only, as after a failover
    "25P03": UNAVAILABLE,  # idle in a transaction for too long
    "25P04": UNAVAILABLE,  # a transaction that took too long
    "28000": UNAVAILABLE,  # the user isn't let in any more
    "3D000": UNAVAILABLE,  # the database is gone
    "40001": UNAVAILABLE,  # serialization
    "40P01": UNAVAILABLE,  # deadlock
    "42501": UNAVAILABLE,  # a privilege was taken away
    "53000": UNAVAILABLE,  # resources
    "53100": "database-full",
    "53200": UNAVAILABLE,  # out of memory
    "53300": UNAVAILABLE,  # too many connections
    "53400": UNAVAILABLE,  # a configured limit, as on temporary files
    "55006": UNAVAILABLE,  # an object in use
    "55P03": UNAVAILABLE,  # a lock that isn't to be had
    "57000": UNAVAILABLE,  # an operator
    "57014": UNAVAILABLE,  # a statement that took too long
    "57P01": UNAVAILABLE,  # it is stopped
    "57P02": UNAVAILABLE,  # it has crashed
    "57P03": UNAVAILABLE,  # it starts
    "57P04": UNAVAILABLE,  # the database was dropped
    "57P05": UNAVAILABLE,  # an idle session was ended
    "58000": UNAVAILABLE,  # the operating system
    "58030": UNAVAILABLE,  # a disk that can't be read or written
    "58P01": UNAVAILABLE,  # a file that isn't there
    "XX001": UNAVAILABLE,  # damaged data
    "XX002": UNAVAILABLE,  # a damaged index
}
OURS = ("0A000", "22001", "22012", "22021", "23502", "23514", "25P02", "42601", "42703", "54000", "P0001", "XX000")


async def refuse(run_sql: RunSql, code: str) -> None:
    """Lets the table refuse every new row, with that SQLSTATE."""
    await run_sql(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '{code}'; END $$"
    )
    await run_sql("CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON audio_files EXECUTE FUNCTION refuse()")


async def test_what_passes_is_told_as_that(client: httpx.AsyncClient, kept: Look, run_sql: RunSql) -> None:
    """Whatever may be wrong with a database for a while is 503 and Retry-After; nothing is left, then all is well."""
    for code, slug in PASSING.items():
        await refuse(run_sql, code)
        answers = await asyncio.gather(*(client.post("/api/audio/upload", files=FILES) for _ in range(3)))
        for answer in answers:
            assert "as asked" not in problem(answer, status=503, slug=slug)["detail"], code
            assert answer.headers["retry-after"] == "5"
        assert await kept() == type(await kept())([], set()), code
    await run_sql("DROP TRIGGER refuse ON audio_files")
    assert (await client.post("/api/audio/upload", files=FILES)).status_code == 200


async def test_what_is_a_fault_of_ours_is_one(client: httpx.AsyncClient, kept: Look, run_sql: RunSql) -> None:
    """What a statement itself would do wrong isn't blamed on the database, and leaves nothing either."""
    for code in OURS:
        await refuse(run_sql, code)
        problem(await client.post("/api/audio/upload", files=FILES), status=500, slug="internal-error")
        assert await kept() == type(await kept())([], set()), code


@asynccontextmanager
async def changed(server_address: str, database: str, setting: str) -> AsyncIterator[None]:
    """Changes a setting of the test's database, for connections that are then made anew."""
    name = database.split("?", maxsplit=1)[0].rpartition("/")[2]
    connection = await asyncpg.connect(server_address)
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    try:
        await connection.execute(f"ALTER DATABASE {name} SET {setting}")
        await connection.execute(end)
        yield
        await connection.execute(f"ALTER DATABASE {name} RESET ALL")
        await connection.execute(end)
    finally:
        await connection.close()


async def until(client: httpx.AsyncClient, path: str) -> None:
    """Waits until that is answered well, over connections that nobody has ended."""
    while (await client.get(path)).status_code != 200:
        await asyncio.sleep(0.01)


async def test_a_standby_is_not_ready(
    client: httpx.AsyncClient, upload: Upload, kept: Look, server_address: str, database: str
) -> None:
    """A database that takes no changes is still read, but the server isn't ready, until another one takes them."""
    await upload()
    async with changed(server_address, database, "default_transaction_read_only = on"):
        await until(client, "/api/audio/")
        answer = await client.post("/api/audio/upload", files=FILES)
        problem(answer, status=503, slug=UNAVAILABLE)
        assert (await client.get("/health/ready")).json()["parts"]["database"] == "not well"
        assert (await client.get("/api/audio/")).json()["total"] == 1
    await until(client, "/health/ready")
    await upload()
    assert len((await kept()).rows) == 2


@pytest.mark.parametrize("setting", ["lock_timeout = 300", "statement_timeout = 300"])
async def test_a_row_that_is_held_is_no_fault(
    client: httpx.AsyncClient, upload: Upload, server_address: str, database: str, setting: str
) -> None:
    """Where somebody holds a recording's row for longer than the database waits, its change is to be tried again."""
    one = await upload()
    async with changed(server_address, database, setting):
        await until(client, "/health/ready")
        holder = await asyncpg.connect(database)
        async with holder.transaction():
            await holder.execute("SELECT FROM audio_files WHERE id = $1 FOR UPDATE", UUID(one["id"]))
            answer = await client.put(f"/api/audio/{one['id']}/tags", json={"tag": "new"})
            problem(answer, status=503, slug=UNAVAILABLE)
        await holder.close()
    await until(client, "/health/ready")
    assert (await client.put(f"/api/audio/{one['id']}/tags", json={"tag": "new"})).status_code == 200


HOSTILE = (
    *("\0", "a\0b", "\ud800", "\uffff", "\u202e", "\x1b[2J", "\u0301" * 1000, "\U0001d518" * 255, "%00", ""),
    *("'; DROP TABLE audio_files; --", "\\", "{}", "null", "NaN", "a & ! b:*", "9" * 40, f"-{2**63 + 1}", str(2**63)),
    *("x" * 4000, "uploaded", "00000000-0000-0000-0000-000000000000"),
)
QUERIES = ("limit", "offset", "cursor", "user_id", "status", "tag", "category", "q", "sort", "order", "transcripts")
HEADERS = ("Range", "If-Range", "If-None-Match", "X-Request-ID", "Authorization", "Cookie", "Content-Digest")


async def test_no_request_alone_makes_an_error_of_ours(client: httpx.AsyncClient, upload: Upload) -> None:
    """Whatever stands in any place that takes a text or a number, the answer is never that something went wrong."""
    one = f"/api/audio/{(await upload())['id']}"
    for text in HOSTILE:
        sent = text.encode(errors="surrogatepass")
        quoted = quote_from_bytes(sent, safe="")
        answers = [await client.get(f"/api/audio/?{name}={quoted}") for name in QUERIES]
        paths = ("/api/audio/tags?user_id=", "/api/audio/", "/api/uploads/", f"{one}/", f"{one}/download?variant=")
        answers += [await client.get(f"{path}{quoted}") for path in paths]
        for body in ({"tag": text, "category": text}, {text: "a"}, text):
            answers.append(await client.put(f"{one}/tags", content=json.dumps(body)))
        for name in ("tag", "user_id"):
            answers.append(await client.post(URL, content=form(part(name, sent), FILE), headers=FORM))
        named = FILE.replace(b"memo.wav", sent.replace(b'"', b"%22").replace(b"\0", b"%00"))
        answers.append(await client.post(URL, content=form(named), headers=FORM))
        told = base64.b64encode(sent).decode()
        for key in ("filename", "filetype", "user_id"):
            headers = TUS | {"Upload-Length": "100", "Upload-Metadata": f"{key} {told}"}
            answers.append(await client.post("/api/uploads", headers=headers))
        if text.isprintable() and text.isascii():
            answers += [await client.get(f"{one}/download", headers={name: text}) for name in HEADERS]
            answers.append(await client.post("/api/uploads", headers=TUS | {"Upload-Length": text}))
            keyed = FORM | {"Idempotency-Key": text}
            answers.append(await client.post(URL, content=form(FILE), headers=keyed))
        failed = [(answer.request.url, answer.text) for answer in answers if answer.status_code >= 500]
        assert failed == [], text
