"""scratch: an empty database beside a project's own, on the same server, for as long as a recording takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, event, text

from reconcile.engine import engine_like

_NAME_ARGUMENT = {"psycopg": "dbname", "psycopg2": "dbname"}  # asyncpg and pg8000 say `database`


@contextmanager
def scratch_database(connection: Connection) -> Iterator[Connection]:
    """A connection to a new, empty database, made the way `connection` was made; the database is dropped afterwards."""
    name = f"reconcile_scratch_{uuid4().hex[:12]}"
    engine = connection.engine
    _run_alone(engine, f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        with _connecting_to(engine, name) as elsewhere, elsewhere.connect() as scratch:
            yield scratch
    finally:
        _run_alone(engine, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _run_alone(engine: Engine, statement: str) -> None:
    """CREATE and DROP DATABASE run outside a transaction."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))


@contextmanager
def _connecting_to(engine: Engine, name: str) -> Iterator[Engine]:
    """An engine like another, whose connections go to another database of the same server."""

    def choose(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters[_NAME_ARGUMENT.get(engine.dialect.driver, "database")] = name

    like = engine_like(engine)
    event.listen(engine, "do_connect", choose)  # the dialect's, which both engines share
    try:
        yield like
    finally:
        event.remove(engine, "do_connect", choose)
        like.dispose()
