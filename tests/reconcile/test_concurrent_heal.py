"""Many at once, killed in the middle, beside those at work: one heals, nothing is lost, nobody waits long."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from core.database.engine import open_single_use_engine
from reconcile.execution.apply import LOCK_TIMEOUT
from reconcile.healing.heal import heal
from reconcile.tape.project import Project
from tests.forks import Fork, ended_fork
from tests.programs import BACKEND

from .chains import asked, reconcile
from .ours import OF_001, OF_002, build, old_rows, rows_of, seen, versions

EIGHT = 8
HALF_DONE = OF_002 - {"category", "category index", "user index"}


@pytest.fixture
def broken(database: str, tmp_path: Path) -> str:
    """A database that `init_db.py` made and an upgrade half finished, with rows, and nothing on record."""
    rows = old_rows(tmp_path / "recordings", tmp_path / "outside.wav")
    asked(database, partial(build, parts=HALF_DONE, claim=None, rows=rows))
    return database


@pytest.fixture
def whole(database: str) -> frozenset[str]:
    """What is seen in a database at the end of the chain."""
    reconcile("heal", database=database)
    found = asked(database, seen)
    asked(database, lambda connection: connection.execute("DROP SCHEMA pegasus_system CASCADE"))
    return found


@contextmanager
def running(count: int, program: str, database: str, tmp_path: Path) -> Iterator[list[Fork]]:
    """Starts a program of backend/ several times at once, and leaves none of them behind."""
    environment = os.environ | {
        "DATABASE_URL": database,
        "PORT": "0",
        "AUDIO_STORAGE_PATH": str(tmp_path / "recordings"),
        "LOG_FORMAT": "json",
    }
    processes = []
    for number in range(count):
        with (tmp_path / f"out {number}").open("w") as out, (tmp_path / f"err {number}").open("w") as err:
            fork = Fork(program, environment=environment, stdout=out.fileno(), stderr=err.fileno())
            processes.append(fork)
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def said(tmp_path: Path, number: int) -> list[dict[str, Any]]:
    """What a server has logged so far."""
    text = (tmp_path / f"out {number}").read_text() + (tmp_path / f"err {number}").read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]


def address_of(tmp_path: Path, number: int, process: Fork) -> str:
    """Where a server serves, once it does; the test's own timeout says when it never does."""
    while True:
        for line in said(tmp_path, number):
            if line["event"] == "Pegasus serves":
                return str(line["at"])
        assert process.poll() is None, (tmp_path / f"err {number}").read_text()
        time.sleep(0.05)


@pytest.mark.timeout(300)
def test_eight_servers(broken: str, tmp_path: Path) -> None:
    """Eight servers started at once on one broken database: one heals it, and all eight serve."""
    before = asked(broken, rows_of)
    with running(EIGHT, "main.py", broken, tmp_path) as servers:
        for number, server in enumerate(servers):
            address = address_of(tmp_path, number, server)
            ready = httpx.get(f"{address}/health/ready", trust_env=False)
            assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        checks = [line for number in range(EIGHT) for line in said(tmp_path, number) if "outcome" in line]
        healed = [line["revision"] for line in checks if line["outcome"] == "healed"]
        assert sorted(healed) == ["002", "s008"]
        assert {line["outcome"] for line in checks} <= {"healed", "current"}
        for server in servers:
            server.send_signal(signal.SIGTERM)
        assert [server.wait() for server in servers] == [0] * EIGHT
    assert asked(broken, versions) == ["002"]
    assert [row | {"category": None} for row in before or []] == asked(broken, rows_of)


def test_eight_scripts(broken: str, tmp_path: Path) -> None:
    """`resolve_migration_error.py`, run eight times at once, succeeds eight times and heals once."""
    with running(EIGHT, "resolve_migration_error.py", broken, tmp_path) as scripts:
        assert [script.wait() for script in scripts] == [0] * EIGHT
    told = [(tmp_path / f"out {number}").read_text() for number in range(EIGHT)]
    assert sum("Done:" in text for text in told) == 1
    assert sum(text.startswith("✅ current: ") for text in told) == EIGHT - 1
    assert asked(broken, versions) == ["002"]


def test_upgrade_beside_heal(broken: str, tmp_path: Path) -> None:
    """A plain `alembic upgrade head` and a heal at the same time take turns, and both succeed."""
    programs = (["-m", "alembic", "upgrade", "head"], ["resolve_migration_error.py"]) * 3
    with ThreadPoolExecutor(len(programs)) as threads:
        ended = list(threads.map(lambda program: ended_fork(*program, DATABASE_URL=broken), programs))
    assert [program.returncode for program in ended] == [0] * 6, ended
    assert asked(broken, versions) == ["002"]


@pytest.fixture
def heal_until(database: str) -> Iterator[Callable[[int], int]]:
    """A function that heals in a process of its own, which dies by `kill -9` before its statement of that number.

    It answers with the signal that ended the process, or 0.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.reconcile.killed_heal", database],
        cwd=BACKEND.parent,
        env=os.environ | {"PYTHONPATH": str(BACKEND)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def until(number: int) -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield until
    process.communicate()


def test_process_killed(
    broken: str,
    whole: frozenset[str],
    heal_until: Callable[[int], int],
    tmp_path: Path,
    say: Callable[[str], None],
) -> None:
    """A heal killed before any of its statements leaves all or nothing, and the next start heals."""
    rows = old_rows(tmp_path / "recordings", tmp_path / "outside.wav")
    statements = 0
    while True:
        asked(broken, partial(build, parts=HALF_DONE, claim=None, rows=rows))
        before, untouched = asked(broken, rows_of), asked(broken, seen)
        ended = heal_until(statements + 1)
        if ended == 0:
            break
        assert ended == signal.SIGKILL
        statements += 1
        assert asked(broken, seen) in (untouched, whole)
        assert asked(broken, rows_of) in (before, [row | {"category": None} for row in before or []])
        assert reconcile("heal", database=broken).returncode == 0
        assert asked(broken, seen) == whole
        assert asked(broken, versions) == ["002"]
        assert asked(broken, rows_of) == [row | {"category": None} for row in before or []]
    assert statements > 10
    say(f"killed before each of a heal's {statements} statements: {statements} times the next heal finished")


class ConnectionEnder:
    """Has the server end the engine's own connection before a statement of a given number."""

    def __init__(self, server: asyncpg.Connection, fatal: int) -> None:
        self.sent = 0
        self._server, self._fatal = server, fatal

    def __call__(self, connection: Any, *_: Any) -> None:
        self.sent += 1
        if self.sent == self._fatal:
            pid = connection.connection.driver_connection.get_server_pid()
            await_only(self._server.execute(f"SELECT pg_terminate_backend({pid}, 5000)"))


async def test_connection_ended(
    database: str, raw: asyncpg.Connection, project: Project, head: frozenset[str], tmp_path: Path
) -> None:
    """A heal whose connection the server ends, before any statement, has changed nothing; the next one heals."""
    rows = old_rows(tmp_path / "recordings", tmp_path / "outside.wav")
    fatal = 0
    while True:
        fatal += 1
        await build(raw, OF_001, ("001",), rows=rows)
        before = await seen(raw)
        engine = open_single_use_engine(database)
        ender = ConnectionEnder(raw, fatal)
        event.listen(Engine, "before_cursor_execute", ender)
        try:
            async with engine.connect() as connection:
                report = await connection.run_sync(heal, project)
        except DBAPIError:
            assert await seen(raw) in (before, head)
        else:
            if ender.sent < fatal:
                break
            assert not report.well, report
        finally:
            event.remove(Engine, "before_cursor_execute", ender)
            await engine.dispose()
        engine = open_single_use_engine(database)
        async with engine.connect() as connection:
            assert (await connection.run_sync(heal, project)).well
        await engine.dispose()
        assert await seen(raw) == head
    assert fatal > 10


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_random_kills(database: str, whole: frozenset[str], tmp_path: Path, say: Callable[[str], None]) -> None:
    """Killed at a hundred random moments, on a hundred random half-made databases, the next heal always finishes."""
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    rows = old_rows(tmp_path / "recordings", tmp_path / "outside.wav")
    optional = sorted(OF_002 - {"type", "table"})
    killed = 0
    for _ in range(100):
        dropped = {part for part in optional if dice.random() < 0.4}
        dropped |= {f"{part} index" for part in ("tag", "category") if part in dropped}
        parts = OF_002 - dropped
        asked(database, partial(build, parts=parts, claim=dice.choice([None, (), ("001",), ("002",)]), rows=rows))
        before = asked(database, rows_of)
        process = subprocess.Popen(
            [sys.executable, "resolve_migration_error.py"],
            cwd=BACKEND,
            env=os.environ | {"DATABASE_URL": database},
            stdout=subprocess.DEVNULL,
        )
        time.sleep(dice.uniform(0, 3))
        process.kill()
        killed += process.wait() != 0
        assert reconcile("heal", database=database).returncode == 0, seed
        assert asked(database, seen) == whole, seed
        assert asked(database, rows_of) == [{"tag": None, "category": None} | row for row in before or []], seed
    say(f"random kills, seed {seed}: {killed} of 100 died before they had finished; all were healed after")


async def test_busy_table(database: str, raw: asyncpg.Connection, project: Project, tmp_path: Path) -> None:
    """A heal waits for a table in use by trying again, and nobody's insert queues behind it for long."""
    await build(raw, OF_001, ("001",), rows=old_rows(tmp_path / "recordings", tmp_path / "outside.wav"))
    reader, writer = await asyncpg.connect(database), await asyncpg.connect(database)
    reading = reader.transaction()
    await reading.start()
    await reader.fetch("SELECT * FROM audio_files")  # ACCESS SHARE, held until the transaction ends
    engine = open_single_use_engine(database)
    refused = asyncio.Event()

    def listen(context: Any) -> None:
        if getattr(context.original_exception.__cause__, "sqlstate", "") == "55P03":
            refused.set()

    event.listen(engine.sync_engine, "handle_error", listen)
    async with engine.connect() as connection:
        healing = asyncio.create_task(connection.run_sync(heal, project))
        await refused.wait()  # at least one try has given way
        await writer.execute(f"SET lock_timeout = '{2 * int(LOCK_TIMEOUT.removesuffix('ms'))}ms'")
        for number in range(10):  # each fails if it has to queue longer than a try of the heal may last
            await writer.execute(
                "INSERT INTO audio_files (id, filename, file_path, processing_status)"
                f" VALUES (gen_random_uuid(), 'busy', 'busy/{number}', 'uploaded')"
            )
        assert not healing.done()
        await reading.rollback()
        assert (await healing).outcome == "healed"
    await engine.dispose()
    assert await versions(raw) == ["002"]
    assert await raw.fetchval("SELECT count(*) FROM audio_files WHERE filename = 'busy'") == 10
    await reader.close()
    await writer.close()


async def test_looking_at_a_heal(database: str, raw: asyncpg.Connection, tmp_path: Path) -> None:
    """Two people look while a heal builds an index: both are told where it has got to, and it ends as if alone."""
    await build(raw, OF_001, ("001",), rows=old_rows(tmp_path / "recordings", tmp_path / "outside.wav"))
    reader = await asyncpg.connect(database)
    reading = reader.transaction(isolation="repeatable_read")
    await reading.start()
    await reader.fetch("SELECT 1")  # an index that is built beside its table's use waits for whoever may see old rows
    healing = await started("heal", "--row-limit", "0", database=database)
    while not await raw.fetchval("SELECT count(*) FROM pg_index WHERE NOT indisvalid"):
        await asyncio.sleep(0.02)
    looking = [await started("status", "--json", database=database) for _ in range(2)]
    for told, _ in [await process.communicate() for process in looking]:
        found = json.loads(told)
        assert (found["verdict"], found["claimed"]) == ("incomplete", ["001"])
        assert [item["object"] for item in found["missing"]] == [
            "index ix_audio_files_category on audio_files",
            "index ix_audio_files_tag on audio_files",
        ]
    assert healing.returncode is None
    await reading.rollback()
    await reader.close()
    told, _ = await healing.communicate()
    assert "Verified" in told.decode()
    assert await versions(raw) == ["002"]


async def started(*arguments: str, database: str) -> asyncio.subprocess.Process:
    """`python -m reconcile` in a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "reconcile",
        *arguments,
        cwd=BACKEND,
        env=os.environ | {"DATABASE_URL": database},
        stdout=subprocess.PIPE,
    )


async def test_healthy_start_writes_nothing(database: str, raw: asyncpg.Connection, project: Project) -> None:
    """A heal of a healthy database takes no lock that others could meet, writes nothing, and asks little."""
    await build(raw, OF_002, ("002",))
    reader = await asyncpg.connect(database)
    await reader.execute("BEGIN; LOCK TABLE audio_files, alembic_version IN EXCLUSIVE MODE")
    sent: list[str] = []
    engine = open_single_use_engine(database)
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *hook: sent.append(hook[2]))
    async with engine.connect() as connection:
        assert (await connection.run_sync(heal, project)).outcome == "current"
    await engine.dispose()
    await reader.close()
    assert len(sent) == 2
    assert not [sql for sql in sent if "lock" in sql.lower().replace("lock_timeout", "")]
