"""What a look at many healthy schemas of one database costs: milliseconds and queries a schema, beside the connection.

Beside it the same schemas one by one, as a look at one database goes, and `alembic upgrade head` finding nothing to do.
"""

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Connection, event, text

from core.postgres.embedded import join
from reconcile.__main__ import main as reconcile
from reconcile.alembic_bridge.own_connection import on_own_connection
from reconcile.inspection.inspect import DEFAULTS, inspect
from reconcile.many.survey import survey
from reconcile.many.target import project_of_target, schemas_like
from reconcile.tape.project import Project, open_project
from tests.reconcile.new_chains import write_chain
from tests.reconcile.tenants import CHAIN, make_tenants, new_database

FEW = 50


def main() -> None:
    """Prints a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schemas", type=int, default=1000, help="how many there are")
    number = parser.parse_args().schemas
    with tempfile.TemporaryDirectory(prefix="pegasus-bench-") as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        server = join(Path(folder) / "data")
        with new_database(server.address) as address:
            ini = write_chain(Path(folder) / "project", address, CHAIN)
            with contextlib.redirect_stdout(io.StringIO()):
                reconcile(["record", "-c", str(ini)])
            make_tenants(address, number, damaged_every=number + 1)
            project = open_project(ini)
            on_own_connection(project.config, lambda connection: measure(connection, project, number))
        server.leave()


def measure(connection: Connection, project: Project, number: int) -> None:
    """Times each way on an open connection."""
    targets = schemas_like(connection, "tenant_*")

    def all_at_once() -> None:
        if not all(outcome.well for outcome in survey(connection, project, targets, DEFAULTS)):
            raise SystemExit("not all are healthy")

    def one_by_one() -> None:
        for target in targets[:FEW]:
            inspect(connection, project_of_target(project, target))

    def upgraded() -> None:
        for target in targets[:FEW]:
            connection.execute(text(f"SET search_path TO {target.schema}"))
            connection.commit()
            command.upgrade(project.config, "head")

    print(f"{number:,} healthy schemas of {len(project.tape.end)} objects each, on an open connection, a schema")
    for name, way, count in (
        ("a first survey of all", all_at_once, number),
        ("a second one", all_at_once, number),
        ("looks one by one", one_by_one, FEW),
        ("alembic upgrade head", upgraded, FEW),
    ):
        seconds, queries = timed(connection, way)
        print(f"{name:>22}: {seconds / count * 1000:8.2f} ms {queries / count:8.2f} queries", flush=True)


def timed(connection: Connection, way: Callable[[], None]) -> tuple[float, int]:
    """Seconds and statements of one way."""
    sent: list[str] = []

    def count(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        sent.append(sql)

    event.listen(connection.engine, "before_cursor_execute", count)
    start = time.perf_counter()
    way()
    seconds = time.perf_counter() - start
    event.remove(connection.engine, "before_cursor_execute", count)
    return seconds, len(sent)


if __name__ == "__main__":
    main()
