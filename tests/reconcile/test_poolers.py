"""Behind a pooler that gives each transaction another session: Pegasus serves there, and nothing is healed there."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.api.test_main import refusal
from tests.conftest import RunSql

from .cases.bare import Ran, alone
from .cases.case import Case
from .cases.project import write_project
from .pgbouncer import pooled

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


def reconcile(folder: Path, *arguments: str, address: str) -> Ran:
    """The command line on a project whose database is at an address."""
    return alone("reconcile", *arguments, folder=folder, CASE_DATABASE=address.replace("://", "+psycopg://"))


@pytest.fixture
def project(tmp_path: Path, database: str) -> Path:
    """A project with its tape, which finds its database in the environment."""
    folder = tmp_path / "project"
    write_project(CHAIN, folder, url="")
    recorded = reconcile(folder, "record", address=database)
    assert recorded.returncode == 0, recorded.stderr
    return folder


@contextmanager
def crowd(address: str) -> Iterator[None]:
    """Other clients of a pooler, each of which begins one short transaction after the other."""
    ended = threading.Event()

    def work() -> None:
        with psycopg.connect(address, autocommit=True, prepare_threshold=None) as connection:
            while not ended.is_set():
                connection.execute("SELECT pg_sleep(0.001)")

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextmanager
def nobody(_address: str) -> Iterator[None]:
    """No other clients."""
    yield


@pytest.mark.parametrize("size", [1, 20])
@pytest.mark.parametrize("others", [nobody, crowd])
async def test_nothing_is_healed_through_a_pooler(
    project: Path, database: str, run_sql: RunSql, size: int, others: Callable[[str], AbstractContextManager[None]]
) -> None:
    """A heal through it is refused before anything is done, says what helps, and leaves no lock behind."""
    with pooled(database, size=size) as address, others(address):
        looked = await asyncio.to_thread(reconcile, project, "status", address=address)
        assert looked.returncode == 13, looked.stderr
        for _ in range(3):
            refused = await asyncio.to_thread(reconcile, project, "heal", address=address)
            said = refused.stdout + refused.stderr
            assert refused.returncode not in (0, 13), said
            assert "pooler" in said
            assert "pool_mode" in said
            assert "Traceback" not in said
            assert await run_sql(LEFT) == [(0, None, None)]
    healed = await asyncio.to_thread(reconcile, project, "heal", address=database)
    assert healed.returncode == 0, healed.stderr


async def test_a_pooler_of_sessions_is_none(project: Path, database: str) -> None:
    """In session mode it is as good as a connection of one's own."""
    with pooled(database, mode="session") as address:
        healed = await asyncio.to_thread(reconcile, project, "heal", address=address)
        assert healed.returncode == 0, healed.stdout + healed.stderr
        assert "Verified" in healed.stdout


def test_pegasus_names_the_setting(tmp_path: Path, database: str) -> None:
    """Pegasus doesn't start where it would have to heal through a pooler, and names the setting that goes round it."""
    with pooled(database) as address:
        code, said = refusal(tmp_path, DATABASE_URL=address)
    assert code != 0
    assert "MIGRATION_DATABASE_URL" in said
    assert "Traceback" not in said
