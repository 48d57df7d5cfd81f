"""An empty database for a recording, on the server of the project's own or on another."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, Pool, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidRequestError

from ..alembic_bridge.own_connection import engine_like
from ..command_line import command
from ..schema.errors import ReconcileError
from ..schema.postgres_errors import message_of
from ..sql.names import literal

_NAME_ARGUMENT = {"psycopg": "dbname", "psycopg2": "dbname"}  # asyncpg and pg8000 say `database`
_PLACE = "reconcile.place"  # in a pooled connection's info: the database, and perhaps the schema, that it was led to
# What a driver's arguments say about the server and the user; the rest (options, timeouts) holds for any server.
_OF_THE_SERVER = (
    *("host", "port", "unix_sock", "user", "pass", "service"),
    *("ssl", "gss", "krb", "direct_tls", "target_", "channel_", "require_"),
)
_MAINTENANCE = "postgres"
_NAME = text("SELECT CAST(pg_catalog.current_database() AS text)")


class ScratchRefused(ReconcileError):
    """A server makes no scratch database, or lets nobody into it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"No scratch database can be made: {reason}")
        self.reason = reason


class ConnectsByItself(ReconcileError):
    """The project's engine doesn't connect where it is told to."""

    def __init__(self) -> None:
        super().__init__(
            "env.py's engine connects by a function of its own (creator), so it can't be led to a scratch database, and"
            " the chain isn't played in the project's own. Let env.py make its engine from an address where the chain"
            f" is recorded, by an argument (-x) or a setting, and commit what `{command('record')}` writes"
        )


class OtherDatabase(ReconcileError):
    """A chain connects to a database that isn't its own, where it can't be tried."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"A revision, or env.py, connects to the database {database}, beside the one that it migrates: what it does"
            " there would be done while the chain is recorded"
        )
        self.database = database


@contextmanager
def scratch_database(connection: Connection, server: URL | None = None) -> Iterator[Connection]:
    """A connection to a new, empty database, made as `connection` was; the database is dropped afterwards.

    It lies on the server of the project's own, or on the one of an address.

    Raises:
        ScratchRefused: the server makes none.
    """
    name = f"reconcile_scratch_{uuid4().hex[:12]}"
    engine = connection.engine
    try:
        run_alone(engine, server, f"CREATE DATABASE {name} TEMPLATE template0")
    except DBAPIError as error:
        raise ScratchRefused(f"PostgreSQL says: {message_of(error)}") from error
    except InvalidRequestError as error:
        raise ConnectsByItself from error
    try:
        with connecting_to(engine, name, server) as elsewhere, _connected(elsewhere, name) as scratch:
            yield scratch
    finally:
        run_alone(engine, server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def _connected(engine: Engine, name: str) -> Iterator[Connection]:
    """A connection that is seen to lead to the scratch database: an engine may bring a way to connect of its own."""
    try:
        connection = engine.connect()
    except DBAPIError as error:  # a pooler knows only the databases that it was given
        raise ScratchRefused(f"PostgreSQL says: {message_of(error)}") from error
    with connection:
        if connection.scalar(_NAME) != name:
            raise ConnectsByItself
        connection.rollback()
        yield connection


def run_alone(engine: Engine, server: URL | None, statement: str) -> None:
    """Runs CREATE or DROP DATABASE outside of a transaction, on a connection outside of the project's pool."""
    database = (engine.url.database or "") if server is None else server.database or _MAINTENANCE
    with (
        connecting_to(engine, database, server) as like,
        like.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        connection.execute(text(statement))


@contextmanager
def connecting_to(engine: Engine, name: str, server: URL | None, *, path: str | None = None) -> Iterator[Engine]:
    """An engine like another one, whose connections go to another database, of the same server or of `server`.

    They begin with the search path `path`, if there is one.

    So do connections of any engine that a revision or env.py creates for the project's database, and those in a pool:
    otherwise a recording would change that database.
    """
    project = engine.url.database or ""
    place = (name, server, path)
    before: list[tuple[dict[str, Any], dict[str, Any]]] = []  # some versions of SQLAlchemy go on with what is changed

    def choose(dialect: Any, record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        argument = _NAME_ARGUMENT.get(dialect.driver, "database")
        database = parameters.get(argument, project)
        if database not in (project, name):
            raise OtherDatabase(database)
        before.append((parameters, dict(parameters)))
        if server is not None:
            for parameter in [key for key in parameters if key.startswith(_OF_THE_SERVER)]:
                del parameters[parameter]
            parameters.update(_arguments_for(dialect, server))
        parameters[argument] = name
        record.info[_PLACE] = place

    def settle(raw: Any, _record: Any) -> None:
        if path is not None:
            cursor = raw.cursor()
            cursor.execute(f"SELECT pg_catalog.set_config('search_path', {literal(path)}, false)")
            cursor.close()
            raw.commit()

    def renew(_raw: Any, record: Any, _proxy: Any) -> None:
        if record.info.get(_PLACE) != place:
            raise DisconnectionError  # lets the pool connect anew

    like = engine_like(engine)
    event.listen(Engine, "do_connect", choose)
    event.listen(Pool, "connect", settle)
    event.listen(Pool, "checkout", renew)
    try:
        yield like
    finally:
        event.remove(Pool, "checkout", renew)
        event.remove(Pool, "connect", settle)
        event.remove(Engine, "do_connect", choose)
        like.dispose()
        for parameters, original in reversed(before):
            parameters.clear()
            parameters.update(original)


def _arguments_for(dialect: Any, server: URL) -> dict[str, Any]:
    """What the driver is given for a server's address; a folder of sockets is its host."""
    folder = server.query.get("host")
    if dialect.driver == "pg8000" and folder:
        port = server.query.get("port", "5432")
        server = server.set(query={"unix_sock": f"{folder}/.s.PGSQL.{port}"})
    _, arguments = dialect.create_connect_args(server)
    return dict(arguments)
