"""Behind PgBouncer in transaction mode, where each transaction may run in another session: Pegasus serves there."""

import asyncio
import base64
import json
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text

from commands.access import main as access
from commands.storage import main as storage
from core.database.engine import open_engine, sessions_on
from core.errors import PoolerUnnamed
from core.settings import Settings
from main import WORKER
from tests.api.access.test_auth import bearing
from tests.api.events.test_events import Told, listening, serving
from tests.api.test_main import Run, forked
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.programs import ran
from tests.reconcile.pgbouncer import crowd, pooled

WAV = recording("wav")
HALF = len(WAV) // 2
FORM, LIST, UPLOADS = "/api/audio/upload", "/api/audio/", "/api/uploads"
BYTES = {"Content-Type": "application/offset+octet-stream"}
LONG = [pytest.mark.soak, pytest.mark.timeout(600)]
SESSIONS = 5
# What a session of PostgreSQL would keep for the next client that the pooler lets in.
LEFT = "SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('jit'), pg_backend_pid(), pg_sleep(0.02)"


@dataclass
class Person:
    """Somebody who does all that can be done, and notes how each request was answered."""

    client: httpx.AsyncClient
    told: Told
    number: int
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = await self.client.request(method, path, **more)
        self.codes[method, answer.status_code] += 1
        assert answer.status_code < 400, (method, path, answer.status_code, answer.text)
        return answer

    async def live(self) -> None:
        """Brings two recordings in, finds them, changes one, hears both, and removes one."""
        label = f"label {self.number}"
        one, two = await asyncio.gather(self.send_form(label), self.send_pieces(label))
        await asyncio.gather(
            self.ask("GET", "/api/session"),
            self.ask("POST", "/api/session", json={"token": self.client.headers["Authorization"].split()[1]}),
            self.ask("GET", LIST, params={"category": "Pooled", "limit": 3, "offset": self.number}),
            self.ask("GET", LIST, params={"q": label, "sort": "name"}),
            self.ask("GET", f"{LIST}tags"),
            self.ask("GET", f"{LIST}{two}"),
            self.ask("PUT", f"{LIST}{one}/tags", json={"tag": f"other {self.number}", "category": "Pooled"}),
            self.ask("GET", "/metrics"),
        )
        heard = await asyncio.gather(*(self.ask("GET", f"{LIST}{each}/download") for each in (one, two)))
        assert [answer.content for answer in heard] == [WAV, WAV]
        await self.ask("DELETE", f"{LIST}{one}")
        await self.completed(two)

    async def send_form(self, label: str) -> str:
        """Sends one by form, twice under one key, and returns its id."""
        form: dict[str, Any] = {
            "files": {"file": (f"{label}.wav", WAV)},
            "data": {"tag": label, "category": "Pooled"},
            "headers": {"Idempotency-Key": label.replace(" ", "-")},
        }
        first, again = [(await self.ask("POST", FORM, **form)).json()["id"] for _ in range(2)]
        assert first == again
        plain = (await self.ask("POST", FORM, **{**form, "headers": {}})).json()["id"]
        await self.ask("DELETE", f"{LIST}{plain}")
        return str(first)

    async def send_pieces(self, label: str) -> str:
        """Sends one in two pieces by tus, behind one that is given up, and returns its id."""
        metadata = f"filename {base64.b64encode(label.encode()).decode()}"
        begin = {"Upload-Length": str(len(WAV)), "Upload-Metadata": metadata}
        given_up, where = [(await self.ask("POST", UPLOADS, headers=begin)).headers["location"] for _ in range(2)]
        await self.ask("DELETE", given_up)
        await self.ask("PATCH", where, headers=BYTES | {"Upload-Offset": "0"}, content=WAV[:HALF])
        assert (await self.ask("HEAD", where)).headers["upload-offset"] == str(HALF)
        ended = await self.ask("PATCH", where, headers=BYTES | {"Upload-Offset": str(HALF)}, content=WAV[HALF:])
        return ended.headers["upload-recording-id"]

    async def completed(self, recording_id: str) -> None:
        """Waits until it is told that a recording is processed."""
        done = {"id": recording_id, "processing_status": "completed"}
        while not any(done.items() <= event.items() for _, event in self.told.events):
            await asyncio.sleep(0.2)
        found = (await self.ask("GET", f"{LIST}{recording_id}")).json()
        assert found["processing_status"] == "completed"
        await self.ask("GET", f"{LIST}{recording_id}/waveform")


@pytest.mark.parametrize(
    ("people", "workers"), [pytest.param(12, "1", id="short"), pytest.param(50, "2", id="long", marks=LONG)]
)
async def test_pegasus_serves_through_a_pooler(tmp_path: Path, database: str, people: int, workers: str) -> None:
    """Hundreds of requests of all kinds, through a few sessions that a crowd uses too: none is answered with an error.

    What is brought in is processed, every change is told once, and nothing is left behind in the sessions.
    """
    with pooled(database, size=SESSIONS) as address, crowd(address):
        behind = {"DATABASE_URL": address, "MIGRATION_DATABASE_URL": database}
        with forked(tmp_path, AUTH="tokens", OPEN_UPLOADS="1000", WORKERS=workers, **behind) as run:
            url = run.url()
            secret = token(**behind)
            async with (
                httpx.AsyncClient(
                    base_url=url,
                    timeout=300,
                    headers=bearing(secret) | {"Tus-Resumable": "1.0.0"},
                    limits=httpx.Limits(max_connections=100, max_keepalive_connections=0),  # none ends as it is used
                ) as client,
                listening(Told(), url, **bearing(secret)) as told,
            ):
                crew = [Person(client, told, number) for number in range(people)]
                await asyncio.gather(*(person.live() for person in crew))
                codes = sum((person.codes for person in crew), Counter())
                assert codes.total() == 23 * people
                assert (await client.get("/health")).status_code == 200
                listed = (await client.get(LIST, params={"limit": 1})).json()
                assert listed["total"] == people
                await told_of(told, created=3 * people, deleted=2 * people)
            assert run.end(signal.SIGTERM) == 0
        assert not troubles(run)
        assert left_behind(address) == {(0, "on")}


async def told_of(told: Told, **changes: int) -> None:
    """Waits until so many changes of each kind were told, each of another recording."""
    for change, count in changes.items():
        while len(ids := [event["id"] for kind, event in told.events if kind == change]) < count:
            await asyncio.sleep(0.05)
        assert len(set(ids)) == len(ids) == count


def troubles(run: Run) -> list[dict[str, object]]:
    """What a process warned of, or stumbled over."""
    return [event for event in run.events() if event.get("level") in {"warning", "error"} or "exception" in event]


def token(**behind: str) -> str:
    """A token that the command line makes; another one is listed and revoked."""
    made = ran(access, "create", "ada", "--admin", **behind)
    other = json.loads(ran(access, "create", "bob", "--json", **behind).stdout)
    listed = ran(access, "list", **behind)
    revoked = ran(access, "revoke", other["id"], **behind)
    assert [each.returncode for each in (made, listed, revoked)] == [0, 0, 0], made.stderr + listed.stderr
    assert listed.stdout.count("valid") == 2
    return made.stdout.strip()


async def test_worker_and_commands_go_through_a_pooler(settings: Settings, database: str, run_sql: RunSql) -> None:
    """A lost table is rebuilt, swept and verified, and a worker of its own finishes what is in it, beside a crowd."""
    with pooled(database, size=SESSIONS) as address, crowd(address):
        behind = {"DATABASE_URL": address, "MIGRATION_DATABASE_URL": database, "DATA_PATH": str(settings.data_path)}
        async with serving(settings, database_url=address, migration_database_url=database) as served:
            ids = sorted(await asyncio.gather(*(served.upload(f"{number}.wav") for number in range(10))))
        await run_sql("TRUNCATE audio_files, pgqueuer.pgqueuer")
        with forked(settings.data_path, WORKER, **behind) as worker:
            commands = [ran(storage, command, "--json", **behind) for command in ("rebuild", "sweep", "verify")]
            while len(done := await run_sql("SELECT id FROM audio_files WHERE processing_status = 'completed'")) < 10:
                await asyncio.sleep(0.1)
            assert worker.end(signal.SIGTERM) == 0
        assert [each.returncode for each in commands] == [0, 0, 0], commands
        assert sorted(str(row["id"]) for row in done) == ids
        assert not troubles(worker)


async def test_a_pooler_that_nobody_named_is_told(database: str) -> None:
    """A command that takes a pooler for PostgreSQL says which setting it lacks, and meets no stranger's statement."""
    with pooled(database, size=2) as address:
        engine = open_engine(address)
        sessions = sessions_on(engine, address)
        async with sessions() as session:
            await session.execute(text("SELECT 1"))
        with psycopg.connect(address, prepare_threshold=None) as other:
            other.execute("SELECT 2")  # in the session that the first transaction had
            with pytest.raises(PoolerUnnamed, match="MIGRATION_DATABASE_URL"):
                async with sessions() as session:
                    await session.execute(text("SELECT 1"))
        await engine.dispose()


def left_behind(address: str) -> set[tuple[int, str]]:
    """What the sessions behind a pooler keep: each is asked at once with the others."""
    connections = [psycopg.connect(address, prepare_threshold=None) for _ in range(SESSIONS)]
    try:
        found = {tuple((connection.execute(LEFT).fetchone() or ())[:3]) for connection in connections}
    finally:
        for connection in connections:
            connection.close()
    assert len({pid for _, _, pid in found}) > 1
    return {(statements, jit) for statements, jit, _ in found}
