"""Behind a pooler that gives each transaction another session: Pegasus serves there, and nothing is healed there."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.schema_healing import SchemaUnchecked, bring_up_to_date
from core.settings import load_settings
from main import WORKER
from tests.api.test_main import forked
from tests.conftest import RunSql, fresh_database

from .cases.bare import Bare, Ran, started
from .cases.case import Case
from .cases.project import write_project
from .pgbouncer import crowd, pooled

CHAIN = Case(
    id="pooled",
    why="",
    revisions=(
        'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.Text))',
        'with op.get_context().autocommit_block():\n    op.execute("CREATE INDEX CONCURRENTLY i ON people (email)")',
    ),
    right=("refused",),
    env="given",
)
LEFT = """
SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), to_regclass('people'), to_regnamespace('reconcile')
"""
REQUESTS = 60


@pytest.fixture(scope="module")
def bare() -> Iterator[Bare]:
    """A process in the bare environment, which has no driver but psycopg."""
    with started() as bare:
        yield bare


@dataclass(frozen=True)
class Commands:
    """The command line on a project, whose database is at whichever address."""

    folder: Path
    bare: Bare

    def __call__(self, *arguments: str, address: str) -> Ran:
        driven = address.replace("://", "+psycopg://")
        return self.bare.call("reconcile", *arguments, folder=self.folder, CASE_DATABASE=driven)


@pytest.fixture
def reconcile(tmp_path: Path, bare: Bare, database: str) -> Commands:
    """The command line on a project with its tape, which finds its database in the environment."""
    reconcile = Commands(tmp_path / "project", bare)
    write_project(CHAIN, reconcile.folder, url="")
    recorded = reconcile("record", address=database)
    assert recorded.returncode == 0, recorded.stderr
    return reconcile


@contextmanager
def nobody(_address: str) -> Iterator[None]:
    """No other clients."""
    yield


@pytest.mark.parametrize("size", [1, 20])
@pytest.mark.parametrize("others", [nobody, crowd])
async def test_nothing_is_healed_through_a_pooler(
    reconcile: Commands,
    database: str,
    run_sql: RunSql,
    size: int,
    others: Callable[[str], AbstractContextManager[None]],
) -> None:
    """A heal through it is refused before anything is done, says what helps, and leaves no lock behind."""
    with pooled(database, size=size) as address, others(address):
        looked = await asyncio.to_thread(reconcile, "status", address=address)
        assert looked.returncode == 13, looked.stderr
        for _ in range(3):
            refused = await asyncio.to_thread(reconcile, "heal", address=address)
            said = refused.stdout + refused.stderr
            assert refused.returncode not in (0, 13), said
            assert "pooler" in said
            assert "pool_mode" in said
            assert "Traceback" not in said
            assert await run_sql(LEFT) == [(0, None, None)]
    healed = await asyncio.to_thread(reconcile, "heal", address=database)
    assert healed.returncode == 0, healed.stderr


async def test_a_pooler_of_sessions_is_none(reconcile: Commands, database: str) -> None:
    """In session mode it is as good as a connection of one's own."""
    with pooled(database, mode="session") as address:
        healed = await asyncio.to_thread(reconcile, "heal", address=address)
        assert healed.returncode == 0, healed.stdout + healed.stderr
        assert "Verified" in healed.stdout


@pytest.mark.parametrize("command", [[], [WORKER]])
def test_pegasus_names_the_setting(tmp_path: Path, database: str, command: Sequence[str]) -> None:
    """Where only the pooler is known neither server nor worker starts; each names the setting that goes round it."""
    with pooled(database) as address, forked(tmp_path, *command, DATABASE_URL=address) as run:
        code, said = run.ended(), "".join(run.said)
    assert code != 0
    assert "MIGRATION_DATABASE_URL" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("migrations", ["heal", "verify", "off"])
async def test_the_way_round_it_must_be_one(healed: str, server_address: str, migrations: str) -> None:
    """Jobs and listening need sessions of their own, healed or not: the pooler isn't taken for PostgreSQL, ever."""
    async with fresh_database(server_address, template=healed) as database:
        with pooled(database) as address:
            for named in (None, address, None, address):
                settings = load_settings(database_url=address, migration_database_url=named, migrations=migrations)
                with pytest.raises(SchemaUnchecked, match="MIGRATION_DATABASE_URL"):
                    await bring_up_to_date(settings)
        settings = load_settings(database_url=address, migration_database_url=database, migrations=migrations)
        await bring_up_to_date(settings)
