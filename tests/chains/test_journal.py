"""The journal: what is entered of each heal, where it lies, and how it is itself kept well."""

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection

from reconcile.alembic_bridge.environment import upgrade
from reconcile.inspection.inspect import Choices, inspect
from reconcile.journal.journal import Journal
from reconcile.planning.steps import UpgradeAlone
from reconcile.tape.project import Project, open_project

from .bench import Bench
from .chains import CONCURRENT, REPLAYABLE, TENANT, Chain
from .forks_client import Forks

LIMITED = "chain_limited"
HELD = (
    "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
    " WHERE datname = $1 AND locktype = 'advisory' AND granted"
)
MOVING = Chain(name="moving", statements={}, rows={})
# For this an index that is built concurrently waits, and nothing else does.
OLD_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1"
OF_HEAL = "FROM pg_stat_activity WHERE datname = $1 AND query NOT LIKE 'SET TRANSACTION%'"
INDEX_WAITS = f"SELECT count(*) > 0 {OF_HEAL} AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX CONCURRENTLY%'"


async def entries(bench: Bench, name: str, project: Project) -> list[dict[str, Any]]:
    """The journal, the newest entry first."""
    return await bench.on(name, lambda connection: Journal(project).history(connection, limit=50))


@pytest.mark.parametrize("chain", [REPLAYABLE, CONCURRENT, TENANT], ids=lambda chain: chain.name)
async def test_entered(chain: Chain, bench: Bench) -> None:
    """A heal is entered once, with what was seen, planned and done; looking, and healing what is well, never is."""
    name = await bench.make()
    report = await bench.heal(name, chain)
    assert report.outcome == "healed", report
    again = await bench.heal(name, chain)
    assert again.outcome == "current", again
    [entry] = await entries(bench, name, chain.project)
    assert (entry["verdict"], entry["outcome"], entry["located"]) == ("empty", "healed", "base")
    assert (entry["head"], entry["host"]) == (chain.project.tape.head, socket.gethostname())
    assert entry["code_version"] == chain.project.tape.digest
    assert entry["plan"] == report.as_json()["steps"]
    assert entry["started_at"] <= entry["finished_at"]
    assert entry["seconds"] is not None
    assert entry["unfinished"] is None
    assert not entry["reason"]


async def test_digests(bench: Bench) -> None:
    """The entry's digests are those of the schema before and after: the next heal begins where the last one ended."""
    name = await bench.make()
    await bench.heal(name, REPLAYABLE)
    await bench.sql(name, "DROP INDEX ix_albums_stars")
    await bench.heal(name, REPLAYABLE)
    await bench.sql(name, "DROP INDEX ix_albums_stars")
    await bench.heal(name, REPLAYABLE)
    rows = await bench.on(
        name,
        lambda c: list(c.exec_driver_sql("SELECT digest_before, digest_after FROM reconcile.heals ORDER BY id")),
    )
    assert len(rows) == 3
    assert rows[0].digest_after == rows[1].digest_after == rows[2].digest_after
    assert rows[1].digest_before == rows[2].digest_before
    assert len({rows[0].digest_before, rows[1].digest_before, rows[0].digest_after}) == 3


async def test_refusals_leave_no_trace(bench: Bench) -> None:
    """A refusal changes nothing: it doesn't even make the journal."""
    name = await bench.make()
    await bench.sql(
        name,
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('p06')",
    )
    report = await bench.heal(name, REPLAYABLE)
    assert report.outcome == "refused", report
    assert await entries(bench, name, REPLAYABLE.project) == []
    schemas = await bench.on(name, lambda c: c.exec_driver_sql("SELECT to_regnamespace('reconcile')").scalar())
    assert schemas is None


async def test_schema_that_is_named(bench: Bench, tmp_path: Path) -> None:
    """alembic.ini can name another schema for the journal."""
    folder = shutil.copytree(REPLAYABLE.ini.parent, tmp_path / "named")
    with (folder / "alembic.ini").open("a") as ini:
        ini.write('reconcile_journal_schema = Our "Ledger"\n')
    project = open_project(folder / "alembic.ini")
    name = await bench.make()
    chain = Chain(name=str(folder), statements={}, rows={})
    report = await bench.heal(name, chain)
    assert report.outcome == "healed", report
    assert len(await entries(bench, name, project)) == 1
    found = await bench.on(
        name, lambda c: set(c.exec_driver_sql("SELECT schemaname FROM pg_tables WHERE tablename = 'heals'").scalars())
    )
    assert found == {'Our "Ledger"'}


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE reconcile.segments",
        "ALTER TABLE reconcile.heals DROP COLUMN reason",
        "DROP TABLE reconcile.journal_version",
        "DELETE FROM reconcile.journal_version",
        "ALTER TABLE reconcile.segments DROP CONSTRAINT segments_heal_id_fkey",
        "DROP SCHEMA reconcile CASCADE",
        "DROP TABLE reconcile.heals CASCADE",
        "ALTER TABLE reconcile.heals ALTER head TYPE varchar(1) USING ''",
        "ALTER TABLE reconcile.heals ADD COLUMN extra text NOT NULL DEFAULT 'x'",
        (
            "ALTER TABLE reconcile.heals ADD COLUMN extra text;"
            " ALTER TABLE reconcile.heals ADD CHECK (extra IS NOT NULL) NOT VALID"
        ),
    ],
)
@pytest.mark.parametrize("chain", [REPLAYABLE, CONCURRENT], ids=lambda chain: chain.name)
async def test_damaged(chain: Chain, damage: str, bench: Bench) -> None:
    """A damaged journal is mended where it can be, and never keeps the project's own schema from being healed."""
    name = await bench.make()
    await bench.heal(name, chain)
    index = "ix_albums_stars" if chain is REPLAYABLE else "ix_visits_agent"
    await bench.sql(name, damage, f"DROP INDEX {index}")
    report = await bench.heal(name, chain)
    assert report.outcome == "healed", report
    assert (await bench.heal(name, chain)).outcome == "current"


@pytest.mark.parametrize("chain", [REPLAYABLE, CONCURRENT], ids=lambda chain: chain.name)
async def test_without_privileges(chain: Chain, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A user who may not make a schema heals all the same, and is told that it isn't in the journal."""
    name = await bench.make()
    await bench.sql(
        name,
        f"DO $$ BEGIN CREATE ROLE {LIMITED} LOGIN PASSWORD 'hush'; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        f"GRANT CREATE ON SCHEMA public TO {LIMITED}",
    )
    limited = Bench(bench.server.replace("//pegasus@", f"//{LIMITED}:hush@"))
    report = await limited.heal(name, chain)
    assert report.outcome == "healed", report
    assert any("not in the journal" in note for note in report.plan.notes), report
    assert await entries(bench, name, chain.project) == []


async def test_interrupted(bench: Bench, forks: Forks, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """`reconcile history` shows a heal that was killed as begun, with the segment that it was in."""
    name = await bench.make()
    for die_after in range(1, 100):
        [killed] = await forks.heal(name, CONCURRENT, die_after=die_after)
        found = await entries(bench, name, CONCURRENT.project)
        if killed["code"] == 0 or (found and found[0]["unfinished"]):
            break
    assert killed["code"] == -9
    entry = found[0]
    assert (entry["outcome"], entry["finished_at"]) == ("begun", None)
    [shown] = await forks.heal(name, CONCURRENT, command="history")
    assert json.loads(shown["out"])[0]["unfinished"] == entry["unfinished"]
    [healed] = await forks.heal(name, CONCURRENT)
    assert healed["code"] == 0, healed
    newest, killed_one, *_ = await entries(bench, name, CONCURRENT.project)
    assert (newest["outcome"], newest["unfinished"]) == ("healed", None)
    assert killed_one["unfinished"] == entry["unfinished"]


async def test_cancelled(bench: Bench) -> None:
    """A heal whose statement is cancelled says so, and what it may have left; so does the journal; the next goes on."""
    name = await bench.make()
    await bench.on(name, lambda connection: upgrade_to(connection, "n01", CONCURRENT))
    async with holding(bench, name, OLD_SNAPSHOT):
        await bench.sql(name, f"ALTER DATABASE {name} SET statement_timeout = '300ms'")
        report = await bench.heal(name, CONCURRENT)
    await bench.sql(name, f"ALTER DATABASE {name} RESET statement_timeout")
    assert (report.outcome, report.exit_code) == ("failed", 10), report
    assert "Failed; this may have left a part of what it does:" in str(report)
    assert "nothing was changed" not in str(report)
    assert report.as_json()["failed"] == [{"do": "upgrade alone", "revision": "n02"}]
    [entry] = await entries(bench, name, CONCURRENT.project)
    assert (entry["outcome"], entry["unfinished"]) == ("failed", str(UpgradeAlone("n02")))
    assert "statement timeout" in entry["reason"]
    assert entry["finished_at"] is not None
    assert (await bench.heal(name, CONCURRENT)).outcome == "healed"
    assert [entry["outcome"] for entry in await entries(bench, name, CONCURRENT.project)] == ["healed", "failed"]


async def test_ended_by_server(bench: Bench) -> None:
    """When the server ends all connections of a heal, the journal still hears of it, on a new one."""
    name = await bench.make()
    await bench.on(name, lambda connection: upgrade_to(connection, "n01", CONCURRENT))
    async with holding(bench, name, OLD_SNAPSHOT), watching(bench, name) as ask:
        healing = asyncio.create_task(bench.heal(name, CONCURRENT))
        await until(ask, INDEX_WAITS)
        await ask(f"SELECT count(pg_terminate_backend(pid, 5000)) {OF_HEAL}")
        report = await healing
    assert report.outcome == "failed", report
    [entry] = await entries(bench, name, CONCURRENT.project)
    assert entry["outcome"] == "failed"
    assert "terminating connection" in entry["reason"]
    assert (await bench.heal(name, CONCURRENT)).outcome == "healed"


async def test_stopped_by_a_person(bench: Bench) -> None:
    """A heal that a person stops between two segments is on record as failed, and by what."""
    name = await bench.make()

    def stop(connection: Connection) -> None:
        report = inspect(connection, CONCURRENT.project)
        with pytest.raises(KeyboardInterrupt), Journal(CONCURRENT.project).begun(connection.engine, report):
            raise KeyboardInterrupt

    await bench.on(name, stop)
    [entry] = await entries(bench, name, CONCURRENT.project)
    assert (entry["outcome"], entry["reason"]) == ("failed", "KeyboardInterrupt")


async def test_idle_sessions_are_ended(bench: Bench) -> None:
    """A server that ends idle sessions doesn't take the lock from a heal during a long segment, nor the journal."""
    name = await bench.make()
    await bench.on(name, lambda connection: upgrade_to(connection, "n01", CONCURRENT))
    await bench.sql(name, f"ALTER DATABASE {name} SET idle_session_timeout = '200ms'")
    async with holding(bench, name, OLD_SNAPSHOT), watching(bench, name) as ask:
        healing = asyncio.create_task(bench.heal(name, CONCURRENT))
        await until(ask, INDEX_WAITS)
        await until(ask, f"SELECT count(*) = 2 {OF_HEAL}")  # all have been ended but the one at work and the lock's
        assert await ask(HELD) == 1
    report = await healing
    assert report.outcome == "healed", report
    assert [entry["outcome"] for entry in await entries(bench, name, CONCURRENT.project)] == ["healed"]


async def test_rows_are_moved_once(bench: Bench) -> None:
    """A revision that moved rows, left its transaction and then failed isn't run again without a person's word."""
    name = await bench.make()
    await bench.on(name, lambda connection: upgrade_to(connection, "q01"))
    await bench.sql(name, "INSERT INTO counters VALUES (1, 0)")
    async with holding(bench, name, "LOCK TABLE counters IN SHARE UPDATE EXCLUSIVE MODE"):
        await bench.sql(name, f"ALTER DATABASE {name} SET statement_timeout = '300ms'")
        report = await bench.heal(name, MOVING)
    assert (report.outcome, [str(step) for step in report.failed]) == ("failed", [str(UpgradeAlone("q02"))])
    await bench.sql(name, f"ALTER DATABASE {name} RESET statement_timeout")
    assert await count(bench, name) == 1
    report = await bench.heal(name, MOVING)
    assert (report.verdict, report.outcome, report.location.readings) == ("ambiguous", "refused", ("q01", "q02"))
    assert await count(bench, name) == 1
    report = await bench.heal(name, MOVING, Choices(assume="q02"))
    assert report.outcome == "healed", report
    assert await count(bench, name) == 1


async def test_rows_are_moved_at_all(bench: Bench, forks: Forks) -> None:
    """The same revision, killed after whichever statement, has moved its rows exactly once when it is healed."""
    for die_after in range(1, 200):
        name = await bench.make()
        await bench.on(name, lambda connection: upgrade_to(connection, "q01"))
        await bench.sql(name, "INSERT INTO counters VALUES (1, 0)")
        [killed] = await forks.heal(name, MOVING, die_after=die_after)
        report = await bench.heal(name, MOVING)
        if report.outcome == "refused":
            report = await bench.heal(name, MOVING, Choices(assume="q02" if await count(bench, name) else "q01"))
        assert report.well, report
        assert await count(bench, name) == 1
        await bench.drop(name)
        if killed["code"] == 0:
            return


@asynccontextmanager
async def holding(bench: Bench, name: str, lock: str) -> AsyncIterator[None]:
    """Somebody else's transaction that holds a lock."""
    connection = await asyncpg.connect(bench.address(name))
    try:
        async with connection.transaction():
            await connection.execute(lock)
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def watching(bench: Bench, name: str) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """A function that asks the server about a database, from outside it."""
    connection = await asyncpg.connect(bench.server)
    yield lambda question: connection.fetchval(question, name)
    await connection.close()


async def until(ask: Callable[[str], Awaitable[Any]], question: str) -> None:
    """Waits until the answer is yes."""
    while not await ask(question):
        await asyncio.sleep(0.02)


def upgrade_to(connection: Connection, revision: str, chain: Chain = MOVING) -> None:
    """Brings a database to a revision of a chain, as Alembic does."""
    upgrade(chain.project.config, revision, connection)
    connection.commit()


async def count(bench: Bench, name: str) -> int:
    """What has been counted."""
    return await bench.on(name, lambda c: int(c.exec_driver_sql("SELECT n FROM counters").scalar_one()))
