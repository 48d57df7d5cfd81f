"""databases: copies of databases on one server. The chain's env.py is always pointed at the same one, `live`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import URL, Connection, NullPool, create_engine, text

ASIDE = "aside"  # marks connections that are none of the chain's own
Result = TypeVar("Result")


class Databases:
    """The databases of one chain: `live`, and templates that it is made from."""

    def __init__(self, server: URL, chain: str) -> None:
        self._prefix = "".join(letter if letter.isalnum() else "_" for letter in chain)
        server = server.set(drivername="postgresql+psycopg")
        self.live = server.set(database=f"{self._prefix}_live")
        self._server = create_engine(server, isolation_level="AUTOCOMMIT")
        self._engine = create_engine(self.live, poolclass=NullPool, execution_options={ASIDE: True})

    def reset(self, template: str = "template0") -> None:
        """Makes `live` anew, as a copy of a template."""
        source = template if template == "template0" else f"{self._prefix}_{template}"
        self._run(f"DROP DATABASE IF EXISTS {self.live.database} WITH (FORCE)")
        self._run(f"CREATE DATABASE {self.live.database} TEMPLATE {source}")

    def keep(self, template: str) -> None:
        """Makes `live` as it is a template; it is no more."""
        name = f"{self._prefix}_{template}"
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._end_connections()
        self._run(f"ALTER DATABASE {self.live.database} RENAME TO {name}")

    def drop(self) -> None:
        """Drops all of the chain's databases."""
        names = text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)")
        with self._server.connect() as connection:
            for name in connection.scalars(names, {"prefix": f"{self._prefix}_"}).all():
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection to `live`, committed in the end; none of the chain's own."""
        with self._engine.begin() as connection:
            yield connection

    def on_live(self, work: Callable[[Connection], Result]) -> Result:
        """What `work` answers on such a connection."""
        with self.connection() as connection:
            return work(connection)

    def _end_connections(self) -> None:
        """Those that the chain's own pool has left open."""
        ending = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name"
        with self._server.connect() as connection:
            connection.execute(text(ending), {"name": self.live.database})

    def _run(self, statement: str) -> None:
        with self._server.connect() as connection:
            connection.execute(text(statement))
