"""Our own schema: its chain, healed beside that of `audio_files` by the same engine, and neither disturbs the other."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schema_healing import SYSTEM_INI, SchemaRefused, bring_up_to_date
from core.database import pgqueuer_setup
from core.database.pgqueuer_setup import JobQueueMissing
from core.database.system_tables import SCHEMA, system_metadata
from core.errors import PrivilegeMissing
from core.settings import Settings, load_settings
from reconcile.healing.heal import heal
from reconcile.inspection.inspect import inspect
from reconcile.journal.journal import Journal
from reconcile.tape.project import Project, open_project
from tests.conftest import RunSql

from .chains import command
from .ours import OF_001, build, old_rows, rows_of


@pytest.fixture
def settings(database: str) -> Settings:
    """The settings of a server on the test's database."""
    return load_settings(database_url=database)


@pytest.fixture(scope="session")
def system() -> Project:
    """The chain of our own schema."""
    return open_project(SYSTEM_INI)


def test_recorded(database: str) -> None:
    """The tape on file is what the chain does, and recording it leaves the database alone."""
    ran = command("-m", "reconcile", "record", "--check", "-c", "system_chain/alembic.ini", database=database)
    assert ran.returncode == 0, ran.stderr


async def test_the_tables_are_what_the_chain_makes(
    raw: asyncpg.Connection, healer: AsyncConnection, system: Project
) -> None:
    """`create_all` makes exactly what the chain makes."""
    await raw.execute(f"CREATE SCHEMA {SCHEMA}")
    await healer.run_sync(system_metadata.create_all)
    await healer.commit()
    report = await healer.run_sync(inspect, system)
    assert (report.location.at, report.location.missing, report.location.differing) == ("s008", (), ())
    assert not report.location.extra


async def test_a_start_heals_both(settings: Settings, run_sql: RunSql) -> None:
    """A start on an empty database makes both, enters both into the journal, and the next one finds both well."""
    assert [report.outcome for report in await bring_up_to_date(settings)] == ["healed", "healed"]
    assert [report.outcome for report in await bring_up_to_date(settings)] == ["current", "current"]
    heads = [row["head"] for row in await run_sql(f"SELECT head FROM {SCHEMA}.heals ORDER BY id")]
    assert heads == ["002", "s008"]
    tables = await run_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    assert [row["tablename"] for row in tables] == ["alembic_version", "audio_files"]


def test_alembic_finds_nothing_to_do(database: str) -> None:
    """`alembic check` sees nothing to add and nothing to remove beside our own schema."""
    ran = command("resolve_migration_error.py", database=database)
    assert ran.returncode == 0, ran.stderr
    ran = command("-m", "alembic", "check", database=database)
    assert ran.returncode == 0, ran.stdout + ran.stderr


async def test_a_healthy_schema_costs_two_queries(
    settings: Settings, healer: AsyncConnection, project: Project, system: Project
) -> None:
    """On a healthy database each chain is looked at with two queries, and nothing else is asked."""
    await bring_up_to_date(settings)
    asked: list[str] = []
    event.listen(healer.sync_connection, "after_cursor_execute", lambda *args: asked.append(args[2]))
    for chain in (project, system):
        assert (await healer.run_sync(heal, chain)).outcome == "current"
    assert len(asked) == 4


async def test_a_lost_part_comes_back(settings: Settings, run_sql: RunSql) -> None:
    """An index of our own schema, once lost, is made again at the next start."""
    await bring_up_to_date(settings)
    await run_sql(f"DROP INDEX {SCHEMA}.ix_uploads_user_id")
    _, report = await bring_up_to_date(settings)
    assert (report.verdict, report.outcome) == ("incomplete", "healed")


@pytest.mark.parametrize("migrations", ["heal", "verify"])
async def test_drift_stops_the_start(settings: Settings, run_sql: RunSql, migrations: str) -> None:
    """A start is refused where a table of our own schema differs, and the report names the schema and what helps."""
    await bring_up_to_date(settings)
    await run_sql(f"ALTER TABLE {SCHEMA}.tokens ADD CHECK (user_id <> 'ada')")
    with pytest.raises(
        SchemaRefused,
        match=f"^In the schema {SCHEMA} .*\n(.*\n)*.*ask whoever made check tokens_user_id_check on tokens",
    ):
        await bring_up_to_date(settings.model_copy(update={"migrations": migrations}))


async def test_verify_makes_nothing(settings: Settings, run_sql: RunSql, database: str) -> None:
    """MIGRATIONS=verify refuses a database without our own schema; off looks for the queue of jobs alone."""
    ran = command("-m", "alembic", "upgrade", "head", database=database)
    assert ran.returncode == 0
    with pytest.raises(SchemaRefused) as refused:
        await bring_up_to_date(settings.model_copy(update={"migrations": "verify"}))
    assert refused.value.exit_code == 13
    with pytest.raises(JobQueueMissing):
        await bring_up_to_date(settings.model_copy(update={"migrations": "off"}))
    assert not await run_sql(f"SELECT FROM pg_namespace WHERE nspname IN ('{SCHEMA}', '{pgqueuer_setup.SCHEMA}')")


async def test_the_journal_is_somebody_elses(settings: Settings, run_sql: RunSql) -> None:
    """What happens to the journal's tables doesn't matter to our own schema, and the other way round."""
    await bring_up_to_date(settings)
    await run_sql(f"ALTER TABLE {SCHEMA}.heals ADD CHECK (verdict <> 'any')")
    await run_sql(f"ALTER TABLE {SCHEMA}.uploads ADD COLUMN more text")
    assert [report.outcome for report in await bring_up_to_date(settings)] == ["current", "current"]
    await run_sql(f"DROP TABLE {SCHEMA}.segments, {SCHEMA}.heals, {SCHEMA}.journal_version")
    await run_sql("DROP INDEX ix_audio_files_tag")
    assert [report.outcome for report in await bring_up_to_date(settings)] == ["healed", "current"]
    assert len(await run_sql(f"SELECT FROM {SCHEMA}.heals")) == 1


async def test_what_was_begun_stays_known(
    settings: Settings, run_sql: RunSql, healer: AsyncConnection, project: Project, system: Project
) -> None:
    """A step that a heal of one chain had begun is still known after the other chain was healed."""
    await bring_up_to_date(settings)
    entry = (
        f"INSERT INTO {SCHEMA}.heals"
        " (outcome, verdict, claimed, located, head, plan, digest_before, host, code_version)"
        " VALUES ('begun', 'behind', '', '', $1, '[]', '', '', '') RETURNING id"
    )
    [begun] = await run_sql(entry, "002")
    await run_sql(f"INSERT INTO {SCHEMA}.segments VALUES ($1, 1, 'a step')", begun["id"])
    await run_sql(entry, "s001")
    assert await healer.run_sync(lambda c: Journal(project).unfinished(c, home="public")) == {"a step"}
    assert await healer.run_sync(lambda c: Journal(system).unfinished(c, home=SCHEMA)) == frozenset()


async def test_schemas_in_one_journal(
    settings: Settings, healer: AsyncConnection, project: Project, run_sql: RunSql
) -> None:
    """A step that a heal of one schema had begun is still known after another schema was healed."""
    await bring_up_to_date(settings)
    entry = (
        f"INSERT INTO {SCHEMA}.heals"
        " (outcome, verdict, claimed, located, head, plan, digest_before, host, code_version, home)"
        " VALUES ('begun', 'behind', '', '', '002', '[]', '', '', '', $1) RETURNING id"
    )
    [begun] = await run_sql(entry, "one")
    await run_sql(f"INSERT INTO {SCHEMA}.segments VALUES ($1, 1, 'a step')", begun["id"])
    await run_sql(entry, "other")
    assert await healer.run_sync(lambda c: Journal(project).unfinished(c, home="one")) == {"a step"}
    assert await healer.run_sync(lambda c: Journal(project).unfinished(c, home="other")) == frozenset()


@pytest.fixture
async def clerk(database: str, run_sql: RunSql) -> AsyncIterator[str]:
    """The address for a user who may do everything in `public`, and make no schema."""
    name = f"clerk_{secrets.token_hex(4)}"
    await run_sql(f"CREATE ROLE {name} LOGIN PASSWORD 'hush'")
    await run_sql(f"GRANT ALL ON SCHEMA public TO {name}")
    parts = urlsplit(database)
    yield f"postgresql://{name}:hush@{parts.path}?{parts.query}"
    await run_sql(f"DROP OWNED BY {name} CASCADE")
    await run_sql(f"DROP ROLE {name}")


async def test_without_the_privilege(clerk: str, run_sql: RunSql) -> None:
    """A user who may not make our schemas is told the SQL that makes each for them, and it helps."""
    settings = load_settings(database_url=clerk)
    for schema in (SCHEMA, pgqueuer_setup.SCHEMA):
        with pytest.raises(PrivilegeMissing) as missing:
            await bring_up_to_date(settings)
        assert missing.value.remedy.startswith(f"CREATE SCHEMA {schema} AUTHORIZATION clerk_")
        assert str(missing.value).count("\n") == 0
        await run_sql(missing.value.remedy)
    assert [report.well for report in await bring_up_to_date(settings)] == [True, True]


async def test_old_rows_stay(settings: Settings, raw: asyncpg.Connection, tmp_path: Path) -> None:
    """A database from before, brought up to date with both chains, keeps each row."""
    rows = old_rows(tmp_path / "recordings", tmp_path / "outside.wav")
    await build(raw, OF_001, ("001",), rows=rows)
    before = await rows_of(raw) or []
    await bring_up_to_date(settings)
    assert await rows_of(raw) == [{"tag": None, "category": None} | row for row in before]
