"""Scratch databases that are copied from each other, on whichever server makes some."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from ..schema.postgres_errors import message_of
from ..scratch.database import ScratchRefused, connecting_to, run_alone
from ..scratch.server import ServerMissing, own_server
from ..tape.recording import NowhereToPlay

_SUPERUSER = "postgres"


class Databases:
    """The scratch databases of one rehearsal; all are dropped with it."""

    def __init__(self, connection: Connection, server: URL | None) -> None:
        self._engine = connection.engine
        self._server = server
        self._names: list[str] = []

    def create(self, template: str = "template0") -> str:
        """Makes a database, empty or like one that nobody is connected to.

        Raises:
            ScratchRefused: the server makes none.
        """
        name = f"reconcile_scratch_{uuid4().hex[:12]}"
        try:
            run_alone(self._engine, self._server, f"CREATE DATABASE {name} TEMPLATE {template}")
        except DBAPIError as error:
            raise ScratchRefused(f"PostgreSQL says: {message_of(error)}") from error
        self._names.append(name)
        return name

    def drop(self, name: str) -> None:
        """Drops a database."""
        run_alone(self._engine, self._server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._names.remove(name)

    def close(self) -> None:
        """Drops those that are left."""
        for name in list(self._names):
            with suppress(DBAPIError):
                self.drop(name)

    @contextmanager
    def connected(self, name: str) -> Iterator[Connection]:
        """A connection to a database, made as the project makes its own."""
        with connecting_to(self._engine, name, self._server) as engine, engine.connect() as connection:
            yield connection


@contextmanager
def databases(connection: Connection, scratch: URL | None) -> Iterator[Databases]:
    """Databases on the server of `scratch`, else on the project's own, else on a PostgreSQL of our own.

    Raises:
        NowhereToPlay: there is no such server.
    """
    with _server(connection, scratch) as server:
        ours = Databases(connection, server)
        try:
            yield ours
        finally:
            ours.close()


@contextmanager
def _server(connection: Connection, scratch: URL | None) -> Iterator[URL | None]:
    refused = None if scratch is not None else _refusal_of(connection)
    if refused is None:
        yield scratch
        return
    try:
        with own_server(connection.engine.url.username or _SUPERUSER) as server:
            yield server
    except ServerMissing as missing:
        raise NowhereToPlay(refused, missing) from missing


def _refusal_of(connection: Connection) -> ScratchRefused | None:
    """Why the project's own server makes no database; None where it does."""
    trial = Databases(connection, None)
    try:
        trial.create()
    except ScratchRefused as refused:
        return refused
    finally:
        trial.close()
    return None
