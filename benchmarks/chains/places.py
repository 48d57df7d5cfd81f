"""places: databases at a place of somebody else's chain, made through the project's own env.py."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from alembic.config import Config
from sqlalchemy import Connection, create_engine, event, make_url, text

from reconcile.environment import upgrade
from reconcile.project import Project, on_own_connection
from reconcile.record import first_word

Result = TypeVar("Result")
_NO_STEP = {"SELECT", "SHOW", "SET", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT"}


class StoppedError(Exception):
    """The revision was stopped where it was to be stopped."""


class Places:
    """Databases of one server, and a project that is pointed at one after the other."""

    def __init__(self, project: Project, address: str) -> None:
        self.project = project
        self._address = make_url(address)
        self._server = create_engine(self._address.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # the whole server is thrown away
            self._run(f"ALTER SYSTEM SET {setting} = off")
        self._run("SELECT pg_reload_conf()")

    @contextmanager
    def database(self, name: str, *, like: str = "template0") -> Iterator[str]:
        """A database, copied from another, for the length of the block."""
        self.copy(name, like=like)
        try:
            yield name
        finally:
            self.drop(name)

    def copy(self, name: str, *, like: str = "template0") -> None:
        self.drop(name)
        self._run(f"CREATE DATABASE {name} TEMPLATE {like}")

    def drop(self, name: str) -> None:
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with self._server.connect() as connection:
            connection.execute(text(statement))

    def on(self, name: str, work: Callable[[Connection], Result]) -> Result:
        """Calls `work` on a connection made as the project makes its own, and commits."""

        def committed(connection: Connection) -> Result:
            result = work(connection)
            connection.commit()
            return result

        point_at(self.project.config, self._address.set(database=name).render_as_string(hide_password=False))
        return on_own_connection(self.project.config, committed)

    def upgrade(self, name: str, revision: str) -> None:
        """A plain `alembic upgrade`."""
        self.on(name, lambda connection: upgrade(self.project.config, revision, connection))

    def break_after(self, name: str, revision: str, *, statements: int) -> bool:
        """Runs a revision without a transaction and stops it after so many statements; False when it has fewer."""
        left = statements

        def count(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
            nonlocal left
            if first_word(sql) not in _NO_STEP and self.project.tape.versions.name not in sql:
                left -= 1
                if left == 0:
                    raise StoppedError

        def run(connection: Connection) -> bool:
            outside = connection.execution_options(isolation_level="AUTOCOMMIT")
            event.listen(connection.engine, "after_cursor_execute", count)
            try:
                upgrade(self.project.config, revision, outside)
            except StoppedError:
                return True
            finally:
                event.remove(connection.engine, "after_cursor_execute", count)
            return False

        return self.on(name, run)


def point_at(config: Config, address: str) -> None:
    """Makes env.py connect to an address; the driver is the one in the file."""
    url = make_url(address)
    config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))
