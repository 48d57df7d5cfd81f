"""An empty database for a recording, on the server of the project's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Pool, event, text
from sqlalchemy.exc import DisconnectionError

from ..alembic_bridge.own_connection import engine_like
from ..schema.errors import ReconcileError

_NAME_ARGUMENT = {"psycopg": "dbname", "psycopg2": "dbname"}  # asyncpg and pg8000 say `database`
_SCRATCH = "reconcile.tape.scratch"  # in a pooled connection's info: the scratch database that it is connected to


class OtherDatabase(ReconcileError):
    """A chain connects to a database that isn't its own, where it can't be tried."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"A revision, or env.py, connects to the database {database}, beside the one that it migrates: what it does"
            " there would be done while the chain is recorded"
        )
        self.database = database


@contextmanager
def scratch_database(connection: Connection) -> Iterator[Connection]:
    """A connection to a new, empty database, made as `connection` was; the database is dropped afterwards."""
    name = f"reconcile_scratch_{uuid4().hex[:12]}"
    engine = connection.engine
    _run_alone(engine, f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        with _connecting_to(engine, name) as elsewhere, elsewhere.connect() as scratch:
            yield scratch
    finally:
        _run_alone(engine, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _run_alone(engine: Engine, statement: str) -> None:
    """Runs CREATE or DROP DATABASE outside of a transaction, on a connection outside of the project's pool."""
    like = engine_like(engine)
    with like.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    like.dispose()


@contextmanager
def _connecting_to(engine: Engine, name: str) -> Iterator[Engine]:
    """An engine like another one, whose connections go to another database of the same server.

    So do connections of any engine that a revision or env.py creates for the project's database, and those in a pool:
    otherwise a recording would change that database.
    """
    project = engine.url.database or ""

    def choose(dialect: Any, record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        argument = _NAME_ARGUMENT.get(dialect.driver, "database")
        database = parameters.get(argument, project)
        if database not in (project, name):
            raise OtherDatabase(database)
        parameters[argument] = name
        record.info[_SCRATCH] = name

    def renew(_raw: Any, record: Any, _proxy: Any) -> None:
        if record.info.get(_SCRATCH) != name:
            raise DisconnectionError  # lets the pool connect anew

    like = engine_like(engine)
    event.listen(Engine, "do_connect", choose)
    event.listen(Pool, "checkout", renew)
    try:
        yield like
    finally:
        event.remove(Pool, "checkout", renew)
        event.remove(Engine, "do_connect", choose)
        like.dispose()
