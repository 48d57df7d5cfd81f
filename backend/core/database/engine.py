"""The way to the database: which one, and an engine with its sessions."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeAlias, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

import asyncpg
from asyncpg import exceptions
from sqlalchemy import AdaptedConnection, NullPool, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from core.database.error_mapping import CONNECT_TIMEOUT_SECONDS, database_problem
from core.errors import DatabaseBusy, SettingRefused
from core.observability.metrics import CONNECTIONS_IN_USE, CONNECTIONS_MOST
from core.postgres.embedded import join
from core.settings import Settings, load_settings

POOL_SIZE = 20
DriverConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_NOTHING = text("SELECT")
POOLED = "pegasus_pooled"  # an execution option: whether a transaction pooler stands before the database
Sessions = Callable[[], AbstractAsyncContextManager[AsyncSession]]
_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^:\[\]]*)(?::\d+)?")
# What libpq understands in an address, and asyncpg would pass on to the server, which refuses it.
_OTHERS_OPTIONS = {
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "requirepeer",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
}
_DRIVERS_ERRORS = (exceptions.PostgresError, exceptions.InterfaceError, exceptions.InternalClientError)
_SPELLINGS = {"ssl": "sslmode"}
# A statement with a name stays in the session that it was prepared in: behind a pooler it is looked for in another one,
# where none must be found rather than a stranger's. One without a name is sent whole with each use.
_TO_POSTGRES: dict[str, object] = {"prepared_statement_name_func": lambda: f"pegasus_{uuid4().hex}"}
_THROUGH_POOLER: dict[str, object] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}
_NOT_AN_ADDRESS = (
    "is not an address like postgresql://user:password@host:5432/database"
    " (in the user and password, write @ as %40, / as %2F, # as %23)"
)


def database_address(settings: Settings) -> str:
    """The `postgresql://` address of the database; without DATABASE_URL, of the embedded one, now running.

    Raises:
        SettingRefused: DATABASE_URL is not the address of a PostgreSQL database.
        EmbeddedPostgresProblem: the embedded PostgreSQL can't run.
    """
    if settings.database_url is None:
        return join(settings.data_path).address
    return _plain_address("DATABASE_URL", settings.database_url.get_secret_value())


def migration_address(settings: Settings) -> str:
    """The database as migrations reach it: round a transaction pooler, by MIGRATION_DATABASE_URL."""
    if settings.migration_database_url is None:
        return database_address(settings)
    return _plain_address("MIGRATION_DATABASE_URL", settings.migration_database_url.get_secret_value())


def _plain_address(setting: str, value: str) -> str:
    address, matched = _SCHEME.subn("postgresql://", value.strip())
    try:
        _, netloc, path, query, fragment = urlsplit(address)
        options = parse_qsl(query, strict_parsing=bool(query))
    except ValueError:
        matched = 0
    if not matched:
        raise SettingRefused(setting, _NOT_AN_ADDRESS)
    user, _, hosts = netloc.rpartition("@")
    if "@" in user or fragment or not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise SettingRefused(setting, _NOT_AN_ADDRESS)
    kept = [(_SPELLINGS.get(name, name), given) for name, given in options if name not in _OTHERS_OPTIONS]
    return f"postgresql://{netloc}{path}" + (f"?{urlencode(kept, quote_via=quote)}" if kept else "")


def is_pooled(settings: Settings) -> bool:
    """Whether DATABASE_URL is that of a transaction pooler: migrations go round one by a setting of their own."""
    return settings.migration_database_url is not None


def open_engine(address: str, *, pooled: bool = False) -> AsyncEngine:
    """An engine for serving: a pool that lends no connection whose end it has heard of.

    The driver hears of it at once, so that no question to the server has to go before each statement. Behind a
    transaction pooler (`pooled`) each transaction, and each statement outside of one, may run in another session of
    PostgreSQL: nothing is prepared in one for the next.
    """
    statements = _THROUGH_POOLER if pooled else _TO_POSTGRES
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"dsn": address, "timeout": CONNECT_TIMEOUT_SECONDS} | statements,
        execution_options={POOLED: pooled},
        pool_size=POOL_SIZE,
        max_overflow=0,  # what overflows is opened and closed for each use, just when there is most to do
        hide_parameters=True,  # tags and names stay out of what an unforeseen error tells the log
    )
    event.listen(engine.sync_engine, "checkout", _still_open)
    event.listen(engine.sync_engine, "checkout", _lend)
    event.listen(engine.sync_engine, "checkin", _take_back)
    CONNECTIONS_MOST.set(POOL_SIZE)
    return engine


def _still_open(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    if connection.driver_connection.is_closed():
        raise DisconnectionError  # the pool then opens another


def _lend(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
    CONNECTIONS_IN_USE.inc()
    _noted(record)["lent"] = True


def _take_back(_connection: object, record: ConnectionPoolEntry) -> None:
    if _noted(record).pop("lent", False):  # what couldn't be opened is taken back, too
        CONNECTIONS_IN_USE.dec()


def _noted(record: ConnectionPoolEntry) -> dict[str, bool]:
    return cast("dict[str, bool]", record.record_info)  # None only until it is asked for


def open_single_use_engine(address: str, *, pooled: bool = False) -> AsyncEngine:
    """An engine for migrations and scripts: no pool, and no statement cached that new schemas would break.

    What may go through a transaction pooler (`pooled`) prepares nothing, as in `open_engine`.
    """
    statements = _THROUGH_POOLER if pooled else _TO_POSTGRES | {"prepared_statement_cache_size": 0}
    return create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"dsn": address, "timeout": CONNECT_TIMEOUT_SECONDS} | statements,
        poolclass=NullPool,
        hide_parameters=True,
    )


def sessions_on(engine: AsyncEngine, address: str) -> Sessions:
    """Sessions on that engine, whose errors come out as the DatabaseProblem that they mean."""

    @asynccontextmanager
    async def session() -> AsyncIterator[AsyncSession]:
        with explained(address):
            async with AsyncSession(engine, expire_on_commit=False) as session:
                yield session

    return session


@asynccontextmanager
async def async_session() -> AsyncIterator[AsyncSession]:
    """A session on the configured database; entering it connects, which proves that the server is there.

    Raises:
        DatabaseProblem: the database can't be used.
    """
    address = database_address(load_settings())
    engine = open_single_use_engine(address, pooled=True)  # whether it is one, not every script is set to know
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            with explained(address):
                await session.connection()
            yield session
    finally:
        await engine.dispose()


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Turns what a driver raises inside the block into the DatabaseProblem that it means, if any."""
    try:
        yield
    except (DBAPIError, *_DRIVERS_ERRORS, OSError) as error:
        found = database_problem(error, address=address)
        if found is None:
            raise
        raise found from error
    except PoolTimeoutError as error:
        raise DatabaseBusy("all connections to it are in use") from error


async def driver_connection(session: AsyncSession) -> DriverConnection:
    """The driver's own connection of a session, which is in a transaction only once the session has sent something.

    Behind a transaction pooler it is in one: the driver asks about types that it meets for the first time, and changes
    a setting of the session meanwhile.
    """
    if session.get_bind().get_execution_options().get(POOLED):
        await session.execute(_NOTHING)
    connection = await (await session.connection()).get_raw_connection()
    return cast("DriverConnection", connection.driver_connection)
