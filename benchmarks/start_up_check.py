"""What a look at a healthy database costs at every start, beside `alembic upgrade head` finding nothing to do.

Both in one run, by turns: in this process, and as whole commands. Only ratios are worth comparing between machines.
"""

import argparse
import asyncio
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event

from benchmarks.generated_chain import generate_chain
from core.database.engine import open_single_use_engine
from core.postgres.embedded import join
from reconcile.__main__ import main as reconcile
from reconcile.alembic_bridge.own_connection import on_own_connection
from reconcile.inspection.inspect import inspect
from reconcile.planning.report import Report
from reconcile.tape.project import open_project

LENGTHS = (2, 35, 500)
ROOT = Path(__file__).parent.parent


def main() -> None:
    """Prints a table: a line for each chain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7, help="how often each way is timed")
    turns = parser.parse_args().turns
    print("a start-up check beside `alembic upgrade head`; milliseconds, medians")
    print(f"{'revisions':>9} {'queries':>8} | {'check':>8} {'alembic':>8} {'ratio':>6} | whole commands, the same")
    with tempfile.TemporaryDirectory(prefix="pegasus-bench-") as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        server = join(Path(folder) / "data")
        for length in LENGTHS:
            with database(server.address, f"chain_{length}") as address:
                ini = generate_chain(Path(folder) / str(length), revisions=length, address=address)
                print(line(ini, address, length, turns), flush=True)
        server.leave()


@contextlib.contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """A fresh database's address."""
    asyncio.run(run_sql(server, f"CREATE DATABASE {name}"))
    yield server.replace("/pegasus?", f"/{name}?")
    asyncio.run(run_sql(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def run_sql(address: str, statement: str) -> None:
    """Runs one statement on a connection of its own."""
    connection = await asyncpg.connect(address)
    await connection.execute(statement)
    await connection.close()


def line(ini: Path, address: str, length: int, turns: int) -> str:
    """Records a chain, heals an empty database to its end, and times both ways of finding that nothing is to do."""
    for arguments in (["record"], ["heal"]):
        with contextlib.redirect_stdout(io.StringIO()):
            if reconcile([*arguments, "-c", str(ini)]):
                raise SystemExit(f"{arguments} failed on a chain of {length}")
    within = timed(turns, lambda: check(ini, address), lambda: upgrade_to_head(ini))
    python = [sys.executable, "-m"]
    whole = timed(
        turns,
        lambda: run([*python, "reconcile", "status", "-c", str(ini)]),
        lambda: run([*python, "alembic", "-c", str(ini), "upgrade", "head"]),
    )
    return f"{length:>9} {queries(ini):>8} | {shown(within)} | {shown(whole)}"


def timed(turns: int, ours: Callable[[], None], theirs: Callable[[], None]) -> tuple[float, float]:
    """The median milliseconds of two ways, taken by turns; the first turn of each warms up."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns + 1):
        for way, found in zip((ours, theirs), taken, strict=True):
            start = time.perf_counter()
            way()
            found.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken[0][1:]), statistics.median(taken[1][1:])


def shown(pair: tuple[float, float]) -> str:
    """Both medians with their ratio."""
    return f"{pair[0]:8.1f} {pair[1]:8.1f} {pair[0] / pair[1]:6.2f}"


def check(ini: Path, address: str) -> None:
    """What a start does: read the revisions and the tape, connect, look."""
    project = open_project(ini)

    async def look_at_it() -> Report:
        engine = open_single_use_engine(address)
        async with engine.connect() as connection:
            report = await connection.run_sync(inspect, project)
        await engine.dispose()
        return report

    report = asyncio.run(look_at_it())
    if not report.well:
        raise SystemExit(str(report))


def upgrade_to_head(ini: Path) -> None:
    """What Alembic does when there is nothing to do."""
    command.upgrade(Config(ini), "head")


def queries(ini: Path) -> int:
    """How many statements a check sends on an open connection."""
    project = open_project(ini)
    sent: list[str] = []

    def count(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        sent.append(sql)

    def counted(connection: Connection) -> None:
        event.listen(connection.engine, "before_cursor_execute", count)
        inspect(connection, project)

    on_own_connection(project.config, counted)
    return len(sent)


def run(arguments: list[str]) -> None:
    """Runs a whole command."""
    subprocess.run(
        arguments, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT / "backend")}, cwd=ROOT
    )


if __name__ == "__main__":
    main()
