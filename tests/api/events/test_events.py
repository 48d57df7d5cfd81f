"""Events: each change is told once, in order, to whoever may see it, whatever breaks in between."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import uvicorn
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.http1.listener import claim_address
from api.http1.server import server_for
from app.application import create_app
from audio.events.announcements import announced_as, announcing
from audio.events.event_log import EventLog
from audio.model.audio_file import AudioFile, ProcessingStatus
from core.settings import Settings
from tests.api.access.test_auth import ADMIN_SECRET, SECRET, STATIC, bearing
from tests.api.conftest import problem
from tests.api.test_main import forked
from tests.audio.samples import recording
from tests.conftest import RunSql

URL = "/api/audio/events"
WAV = recording("wav")


@dataclass
class Served:
    """A server on a real socket."""

    url: str
    server: uvicorn.Server

    async def upload(self, name: str = "memo.wav", **headers: str) -> str:
        """The id of a new recording."""
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            answer = await client.post("/api/audio/upload", files={"file": (name, WAV)}, headers=headers)
            return str(answer.json()["id"])


@asynccontextmanager
async def serving(settings: Settings, **changed: Any) -> AsyncIterator[Served]:
    """A server that is stopped as SIGTERM stops it."""
    settings = Settings(**settings.model_dump() | changed)
    listener = claim_address(settings)
    server = server_for(create_app(settings))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    host, port = listener.getsockname()
    try:
        yield Served(f"http://{host}:{port}", server)
    finally:
        server.should_exit = True
        await task


@dataclass
class Told:
    """What a client has heard, as a browser's EventSource keeps it; the last id is what it sends the next time."""

    last_id: str | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ended: bool = False

    async def listen(self, url: str, **headers: str) -> None:
        """Hears until the server ends it."""
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        async with httpx.AsyncClient(timeout=60) as client, client.stream("GET", url + URL, headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            kind, data = "message", ""
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data = value
                elif not line and data:
                    self.events.append((kind, json.loads(data)))
                    kind, data = "message", ""
        self.ended = True

    async def until(self, count: int) -> None:
        """Waits until so many events were heard."""
        while len(self.events) < count:
            await asyncio.sleep(0.01)

    @property
    def ids(self) -> list[str]:
        """The recordings that the events were about."""
        return [event["id"] for _, event in self.events]


@asynccontextmanager
async def listening(told: Told, url: str, **headers: str) -> AsyncIterator[Told]:
    """A client that listens while the block lasts."""
    task = asyncio.create_task(told.listen(url, **headers))
    while told.last_id is None and not task.done():
        await asyncio.sleep(0.01)
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.wait([task])


async def progress(engine: AsyncEngine, recording_id: str, status: ProcessingStatus) -> None:
    """Takes a recording further, as a worker does."""
    async with AsyncSession(engine) as session:
        step = update(AudioFile).where(AudioFile.id == UUID(recording_id)).values(processing_status=status)
        changed = await session.scalar(announcing(step, change="progressed"))
        assert str(changed) == recording_id
        await session.commit()


async def test_each_change_is_told(settings: Settings, engine: AsyncEngine) -> None:
    """Coming in, moving on, new labels and deletion are told in order, with the recording, less its transcripts."""
    async with serving(settings) as served, listening(Told(), served.url) as told:
        one = await served.upload()
        await progress(engine, one, ProcessingStatus.COMPLETED)
        async with httpx.AsyncClient(base_url=served.url) as client:
            shown = (await client.put(f"/api/audio/{one}/tags", json={"tag": "Work"})).json()
            await client.delete(f"/api/audio/{one}")
        await told.until(4)
    assert [kind for kind, _ in told.events] == ["created", "progressed", "relabelled", "deleted"]
    assert told.ids == [one] * 4
    assert [event["processing_status"] for _, event in told.events] == ["uploaded", *["completed"] * 3]
    assert told.events[1][1]["updated_at"] > told.events[0][1]["updated_at"]
    relabelled = told.events[2][1]
    assert relabelled["tag"] == "Work"
    assert relabelled.items() <= shown.items()
    assert {"file_path", "original_transcript"}.isdisjoint(relabelled)


async def test_nothing_is_missed_or_told_twice(settings: Settings, run_sql: RunSql) -> None:
    """A client that comes again goes on where it was: after a break, a restart, and a lost connection to PostgreSQL."""
    told, uploaded = Told(), []
    async with serving(settings) as served:
        async with listening(told, served.url):
            uploaded.append(await served.upload())
            await told.until(1)
        uploaded += [await served.upload() for _ in range(2)]
        async with listening(told, served.url):
            await told.until(3)
            await run_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
            uploaded += [await served.upload() for _ in range(2)]
            await told.until(5)
        uploaded.append(await served.upload())
    async with serving(settings) as served, listening(told, served.url):
        uploaded.append(await served.upload())
        await told.until(7)
    assert told.ids == uploaded


async def test_a_late_commit_isnt_missed(settings: Settings, database: str, run_sql: RunSql) -> None:
    """A change whose number was taken first and that is committed last is told all the same, after the other."""
    first, second = await asyncpg.connect(database), await asyncpg.connect(database)
    async with serving(settings) as served, listening(Told(), served.url) as told:
        rows = [uuid4(), uuid4()]
        for connection, row in zip((first, second), rows, strict=True):
            await connection.execute("BEGIN")
            await connection.execute(
                "INSERT INTO audio_files (id, filename, file_path, processing_status) VALUES ($1, 'a', $2, 'uploaded')",
                row,
                str(row),
            )
            await connection.execute(
                announced_as("created", source=f"(SELECT * FROM audio_files WHERE id = '{row}') a")
            )
        await second.execute("COMMIT")
        await told.until(1)
        await first.execute("COMMIT")
        await told.until(2)
        assert told.ids == [str(rows[1]), str(rows[0])]
        again = Told(last_id="0")
        async with listening(again, served.url):
            await again.until(2)
        assert again.ids == told.ids
    for connection in (first, second):
        await connection.close()
    assert await run_sql("SELECT FROM pegasus_system.announcements") == []


async def test_each_user_hears_of_their_own(settings: Settings) -> None:
    """A user's token hears of the user's recordings alone, of those from before as well; an admin's of all."""
    async with serving(settings, auth="tokens", auth_tokens=f"{STATIC},{SECRET}-ben=ben") as served:
        async with httpx.AsyncClient() as client:
            problem(await client.get(served.url + URL), status=401, slug="token-missing")
        secrets = {"ada": SECRET, "ben": f"{SECRET}-ben", "all": ADMIN_SECRET}
        heard = {user: Told(last_id="0") for user in secrets}
        adas = [await served.upload(**bearing(SECRET))]
        bens = [await served.upload(**bearing(secrets["ben"]))]
        async with (
            listening(heard["ada"], served.url, **bearing(SECRET)),
            listening(heard["ben"], served.url, **bearing(secrets["ben"])),
            listening(heard["all"], served.url, **bearing(ADMIN_SECRET)),
        ):
            adas.append(await served.upload(**bearing(SECRET)))
            bens.append(await served.upload(**bearing(secrets["ben"])))
            await asyncio.gather(heard["ada"].until(2), heard["ben"].until(2), heard["all"].until(4))
    assert heard["ada"].ids == adas
    assert heard["ben"].ids == bens
    assert heard["all"].ids == [adas[0], bens[0], adas[1], bens[1]]


async def test_a_revoked_token_hears_no_more(
    settings: Settings, run_sql: RunSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream ends when its token is revoked, before the next event."""
    monkeypatch.setattr("api.protocols.event_stream.REAUTHENTICATION_SECONDS", 0)
    async with serving(settings, auth="tokens", auth_tokens=STATIC) as served:
        made = (
            "INSERT INTO pegasus_system.tokens (id, user_id, admin, secret_sha256) VALUES ($1, 'eve', true, sha256($2))"
        )
        await run_sql(made, uuid4(), b"pegasus_eve")
        async with listening(Told(), served.url, **bearing("pegasus_eve")) as told:
            await served.upload(**bearing(SECRET))
            await told.until(1)
            await run_sql("UPDATE pegasus_system.tokens SET revoked_at = now()")
            await served.upload(**bearing(SECRET))
            while not told.ended:
                await asyncio.sleep(0.01)
            assert len(told.events) == 1


async def test_what_isnt_kept_is_admitted(settings: Settings, run_sql: RunSql) -> None:
    """Who was away for longer than events are kept is told to load anew, and so is who has seen what never was."""
    async with serving(settings) as served:
        for _ in range(3):
            await served.upload()
        feed = served.server.lifespan.state["services"].feed
        await feed._events.catch_up()
        await run_sql("UPDATE pegasus_system.events SET created_at = now() - interval '8 days'")
        await feed._events.prune()
        assert len(await run_sql("SELECT FROM pegasus_system.events")) == 1
    async with serving(settings) as served:
        for last_id, expected in {"1": ["reset"], "2": ["created"], "3": [], "99": ["reset"], "x": ["reset"]}.items():
            async with listening(Told(last_id=last_id), served.url) as told:
                await told.until(len(expected))
                assert [kind for kind, _ in told.events] == expected


async def test_who_doesnt_read_is_let_go(settings: Settings, run_sql: RunSql, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes nothing is let go once the way to it is full, and nobody else waits for it."""
    monkeypatch.setattr("api.protocols.event_stream.SEND_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr("api.protocols.event_stream.HEARTBEAT_SECONDS", 0.2)
    async with serving(settings) as served:
        address, streams = httpx.URL(served.url), served.server.lifespan.state["services"].streams
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((address.host, address.port))
            client.sendall(f"GET {URL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            while not streams._open.total():
                await asyncio.sleep(0.01)
            await run_sql(
                "INSERT INTO pegasus_system.announcements (recording_id, change, told)"
                " SELECT gen_random_uuid(), 'progressed', json_build_object('id', repeat('x', 100000))::text"
                " FROM generate_series(1, 100)"
            )
            await served.upload()
            async with listening(Told(), served.url) as told:
                while streams._open.total() > 1:
                    await asyncio.sleep(0.01)
                other = await served.upload()
                while other not in told.ids:
                    await asyncio.sleep(0.01)


def test_two_processes_tell_alike_and_end_in_order(tmp_path: Path, database: str) -> None:
    """Of two servers each tells what comes in at the other; told to end, a server ends its streams first."""

    async def hear(urls: list[str]) -> list[list[str]]:
        heard = [Told(), Told()]
        tasks = [asyncio.create_task(told.listen(url)) for told, url in zip(heard, urls, strict=True)]
        while not all(told.last_id for told in heard):
            await asyncio.sleep(0.01)
        for url in urls:
            async with httpx.AsyncClient(base_url=url) as client:
                await client.post("/api/audio/upload", files={"file": ("memo.wav", WAV)})
        await asyncio.gather(*(told.until(2) for told in heard))
        for run in (first, second):
            run.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*tasks)
        return [told.ids for told in heard]

    with forked(tmp_path, DATABASE_URL=database) as first, forked(tmp_path, DATABASE_URL=database) as second:
        one, other = asyncio.run(hear([first.url(), second.url()]))
        assert one == other
        assert len(set(one)) == 2
        assert [first.ended(), second.ended()] == [0, 0]
        assert "Cancel" not in "".join(first.said + second.said)


async def test_many_at_once_are_each_told_once(settings: Settings, engine: AsyncEngine) -> None:
    """Whoever numbers, and however many at once, each announcement becomes one event."""
    async with serving(settings) as served, listening(Told(), served.url) as told:
        events: EventLog = served.server.lifespan.state["services"].feed._events
        numbering = asyncio.gather(*(events.number() for _ in range(10)))
        ids = await asyncio.gather(*(served.upload() for _ in range(20)))
        await numbering
        await told.until(20)
    assert sorted(told.ids) == sorted(ids)
