"""No request alone makes the server fail: whatever stands in its path, query, headers, cookies or body, it is 4xx."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, product
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from audio.transcription.contract import Transcript
from core.settings import Settings
from tests.api.processing import ended, working
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.hardening.odd_requests import DOWNLOAD, PLACES, SMALL, WORDS, Headers, Operation, operations, with_headers

AT_ONCE = 8
ANSWER_SECONDS = 30
TUS = {"Tus-Resumable": "1.0.0"}
SECRET = "odd-but-right-secret"
# Each seventh, which meets every place and every value, though not each with each.
STEPS = [pytest.param(7), pytest.param(1, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
MADE = (
    "/download?variant=playback",
    "/waveform",
    *(f"/transcript?format={form}" for form in ("txt", "srt", "vtt", "json")),
)
READ = ("", "/download", "/transcript")
NAMES = [
    b".",
    b"..",
    b"a.",
    b".amr",
    b"%22",
    b"a%0d%0ab",
    "\u202e\ufdfa\ufeff".encode(),
    "\u0300".encode() * 90,
    b"'" * 90,
]
MANY = """
    INSERT INTO audio_files (id, filename, original_filename, file_path, file_size_bytes, duration_seconds, user_id,
        upload_timestamp, processing_status, tag)
    SELECT gen_random_uuid(), 'f' || n, 'Memo ' || n, '2026/f' || n, n, nullif(n % 7, 0), 'ada',
        timestamp '2026-01-01' + n * interval '1 second', 'completed', CASE WHEN n % 2 = 0 THEN 'a' END
    FROM generate_series(1, 25000) AS n
"""


class Deaf:
    """An engine that hears the same in each recording."""

    name = "deaf"

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        """What it hears."""
        return Transcript("Something \u202e.")

    async def close(self) -> None:
        """Has nothing to let go of."""


@pytest.fixture
def settings(settings: Settings, way: str) -> Settings:
    """The server that reads bodies directly asks for tokens, the other one doesn't."""
    tokens = {"auth_tokens": SecretStr(f"{SECRET}=ada")} if way == "direct" else {}
    return Settings(**settings.model_dump() | tokens | {"open_uploads": 10_000})


@pytest.fixture
def token(way: str) -> Headers:
    """What each request bears."""
    return [(b"Authorization", SECRET.encode())] if way == "direct" else []


async def status_of(server: str, sent: bytes) -> int:
    """The status of the answer; 0 where the connection is ended without one."""
    parts = urlsplit(server)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(sent)
        line = await asyncio.wait_for(reader.readline(), ANSWER_SECONDS)
        return int(line.split()[1]) if line else 0
    except ConnectionError:
        return 0
    finally:
        writer.transport.abort()


async def described(client: httpx.AsyncClient, token: Headers) -> list[Operation]:
    """Every operation of a server, about a recording and an upload that are there."""
    client.headers.update([*token])
    kept = await client.post("/api/audio/upload", files={"file": ("memo.amr", SMALL)})
    begun = await client.post("/api/uploads", headers=TUS | {"Upload-Length": "100"})
    ids = {"recording_id": kept.json()["id"], "upload_id": begun.headers["location"].rpartition("/")[2]}
    ids["token_id"] = ids["recording_id"]  # of no token
    return operations((await client.get("/openapi.json")).json(), token=token, **ids)


async def statuses_of(server: str, requests: Iterator[bytes]) -> Counter[int]:
    """Sends each request, some at a time, and counts the statuses of the answers, which say what is wrong with it."""
    statuses, failed = Counter[int](), list[tuple[int, bytes]]()

    async def ask() -> None:
        for sent in requests:
            status = await status_of(server, sent)
            statuses[status] += 1
            if status >= 500 or not status:
                failed.append((status, sent[:300]))

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    assert failed == []
    return statuses


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("step", STEPS)
async def test_no_request_alone_makes_the_server_fail(
    server: str,
    far_client: httpx.AsyncClient,
    token: Headers,
    place: Callable[[list[Operation]], Iterator[bytes]],
    step: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever is sent, the answer says what is wrong with it, and nothing unforeseen gets into the log."""
    requests = islice(place(await described(far_client, token)), 0, None, step)
    statuses = await statuses_of(server, requests)
    assert statuses.total() > 100 / step
    assert "Traceback" not in capsys.readouterr().out
    print(place.__name__, sorted(statuses.items()))


@pytest.mark.parametrize("way", ["ordinary"], indirect=True)
@pytest.mark.parametrize("step", STEPS)
async def test_no_request_for_what_was_made_makes_the_server_fail(
    server: str, far_client: httpx.AsyncClient, settings: Settings, step: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same of what was made of a recording: its outline, a variant to play, and its transcript in each form."""
    name = "m\u0300\u202e\ufdfa.webm"
    taken = (await far_client.post("/api/audio/upload", files={"file": (name, recording("webm live"))})).json()
    async with working(settings, engine=Deaf()):
        await ended(far_client, taken)
    paths = [f"/api/audio/{taken['id']}{path}" for path in MADE]
    for path in paths:
        assert (await far_client.get(path)).status_code == 200, path
    requests = (one for path in paths for one in with_headers(Operation(method="GET", path=path), DOWNLOAD))
    statuses = {*await statuses_of(server, islice(requests, 0, None, step))}
    assert {200, 206, 304, 400} <= statuses <= {200, 206, 304, 400, 416}
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize("way", ["ordinary"], indirect=True)
async def test_nothing_that_is_kept_makes_the_server_fail(
    far_client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever odd name, tag, category or user a recording was taken in with, all that is told of it can be told."""
    taken = list[dict[str, str]]()
    for text in (value.decode(errors="replace") for value in [*WORDS, *NAMES]):
        form = {"tag": text, "category": text, "user_id": text}
        for name, fields in ((text, {}), ("memo.amr", form)):
            answer = await far_client.post("/api/audio/upload", files={"file": (name, SMALL)}, data=fields)
            assert answer.status_code < 500, (name, fields)
            taken += [answer.json()] if answer.status_code == 200 else []
    assert len(taken) > 20
    for one in taken:
        for path in READ:
            answer = await far_client.get(f"/api/audio/{one['id']}{path}")
            assert answer.status_code in {200, 404}, (path, one)
        asked = {
            "limit": "1000",
            "tag": one["tag"],
            "user_id": one["user_id"],
            "q": one["tag"] or one["original_filename"],
        }
        answer = await far_client.get("/api/audio", params={name: text for name, text in asked.items() if text})
        assert answer.status_code == 200, one
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize("way", ["ordinary"], indirect=True)
async def test_no_question_makes_a_long_list_fail(far_client: httpx.AsyncClient, run_sql: RunSql) -> None:
    """Tens of thousands of recordings are filtered, sorted and skipped in every way that there is."""
    await run_sql(MANY)
    await run_sql("ANALYZE audio_files")
    filters: list[dict[str, str]] = [
        {},
        {"tag": "a"},
        {"status": "completed"},
        {"q": "memo", "tag": "a"},
        {"q": "\ufdfa" * 200},
    ]
    for chosen, sort, offset in product(filters, ("uploaded", "name", "size", "duration"), (0, 2**31)):
        asked = chosen | {"sort": sort, "offset": str(offset)}
        answer = await far_client.get("/api/audio", params=asked)
        assert answer.status_code == 200, asked
