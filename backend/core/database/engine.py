"""The database's address, its engines and sessions."""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

import asyncpg
from asyncpg import exceptions
from sqlalchemy import AdaptedConnection, BigInteger, NullPool, bindparam, event, func, select, text
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
_EMPTY_STATEMENT = text("SELECT")
_LOCK = select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger)))
_OUTSIDE_TRANSACTIONS = {"isolation_level": "AUTOCOMMIT"}
POOLED = "pegasus_pooled"  # an execution option: whether connections go through a transaction pooler
_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^:\[\]]*)(?::\d+)?")
# Options of libpq's that asyncpg would pass on to the server, which refuses them.
_LIBPQ_OPTIONS = {
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
_DRIVER_ERRORS = (exceptions.PostgresError, exceptions.InterfaceError, exceptions.InternalClientError)
_OPTION_ALIASES = {"ssl": "sslmode"}
# A named prepared statement belongs to its session. Behind a pooler it may be used in another session, where it must be
# missing rather than be another client's of the same name. An unnamed one is sent whole with each use.
_DIRECT_ARGS: dict[str, object] = {"prepared_statement_name_func": lambda: f"pegasus_{uuid4().hex}"}
_POOLER_ARGS: dict[str, object] = {
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
    """The address for migrations, which bypass a transaction pooler: MIGRATION_DATABASE_URL, else the database's."""
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
    passed_on = [(_OPTION_ALIASES.get(name, name), text) for name, text in options if name not in _LIBPQ_OPTIONS]
    return f"postgresql://{netloc}{path}" + (f"?{urlencode(passed_on, quote_via=quote)}" if passed_on else "")


def is_pooled(settings: Settings) -> bool:
    """Whether DATABASE_URL is a transaction pooler's: then MIGRATION_DATABASE_URL is set as well."""
    return settings.migration_database_url is not None


def open_engine(address: str, *, pooled: bool = False) -> AsyncEngine:
    """An engine for serving, whose pool checks out no closed connection.

    The driver notices a closed connection at once, so no statement needs a ping before it. Behind a transaction pooler
    (`pooled`) each transaction, and each statement outside of one, may run in another session of PostgreSQL: no
    prepared statement is used again.
    """
    statements = _POOLER_ARGS if pooled else _DIRECT_ARGS
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"dsn": address, "timeout": CONNECT_TIMEOUT_SECONDS} | statements,
        execution_options={POOLED: pooled},
        pool_size=POOL_SIZE,
        max_overflow=0,  # overflow connections are opened and closed for each use, just under the highest load
        hide_parameters=True,  # tags and names stay out of the log
    )
    event.listen(engine.sync_engine, "checkout", _check_open)
    event.listen(engine.sync_engine, "checkout", _count_checkout)
    event.listen(engine.sync_engine, "checkin", _count_checkin)
    CONNECTIONS_MOST.set(POOL_SIZE)
    return engine


def _check_open(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    if connection.driver_connection.is_closed():
        raise DisconnectionError  # the pool then opens another


def _count_checkout(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
    CONNECTIONS_IN_USE.inc()
    _record_info(record)["lent"] = True


def _count_checkin(_connection: object, record: ConnectionPoolEntry) -> None:
    if _record_info(record).pop("lent", False):  # a connection that couldn't be opened is checked in, too
        CONNECTIONS_IN_USE.dec()


def _record_info(record: ConnectionPoolEntry) -> dict[str, bool]:
    return cast("dict[str, bool]", record.record_info)  # the property creates it


def open_single_use_engine(address: str, *, pooled: bool = False) -> AsyncEngine:
    """An engine for migrations and scripts: no pool, and no cached statement that a schema change would break.

    `pooled` is as in `open_engine`.
    """
    statements = _POOLER_ARGS if pooled else _DIRECT_ARGS | {"prepared_statement_cache_size": 0}
    return create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"dsn": address, "timeout": CONNECT_TIMEOUT_SECONDS} | statements,
        poolclass=NullPool,
        hide_parameters=True,
    )


class Sessions:
    """Makes sessions on an engine, which raise DatabaseProblem for the driver's errors."""

    def __init__(self, engine: AsyncEngine, address: str) -> None:
        self._engine = engine
        self._address = address
        self._is_pooled: bool = engine.get_execution_options().get(POOLED, False)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[AsyncSession]:
        with explained(self._address):
            async with AsyncSession(self._engine, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def driver_connection(self) -> AsyncIterator[DriverConnection]:
        """The driver's connection, on which each statement is a transaction of its own, without a session around it.

        Behind a transaction pooler all of the block is one, which is committed at its end: see `driver_connection`.
        """
        if self._is_pooled:
            async with self() as session:
                yield await driver_connection(session)
                await session.commit()
            return
        with explained(self._address):
            lent = await self._engine.raw_connection()
            try:
                yield cast("DriverConnection", lent.driver_connection)
            finally:
                lent.close()


def sessions_on(engine: AsyncEngine, address: str) -> Sessions:
    """Sessions on that engine."""
    return Sessions(engine, address)


@asynccontextmanager
async def statements(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """A session on which each statement is a transaction of its own, in one round trip."""
    async with sessions() as session:
        await session.connection(execution_options=_OUTSIDE_TRANSACTIONS)
        yield session


@asynccontextmanager
async def driver_transaction(connection: DriverConnection) -> AsyncIterator[None]:
    """A transaction of the block. The driver's own way would tell of a connection that was closed, and not why."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    except BaseException:
        if not connection.is_closed():
            await transaction.rollback()
        raise
    await transaction.commit()


@asynccontextmanager
async def async_session() -> AsyncIterator[AsyncSession]:
    """A session on the configured database; entering it connects.

    Raises:
        DatabaseProblem: the database can't be used.
    """
    address = database_address(load_settings())
    engine = open_single_use_engine(address, pooled=True)  # not every script knows whether there is a pooler
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            with explained(address):
                await session.connection()
            yield session
    finally:
        await engine.dispose()


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Raises the driver's errors of the block as DatabaseProblem; others pass."""
    try:
        yield
    except (DBAPIError, *_DRIVER_ERRORS, OSError) as error:
        problem = database_problem(error, address=address)
        if problem is None:
            raise
        raise problem from error
    except PoolTimeoutError as error:
        raise DatabaseBusy("all connections to it are in use") from error


async def lock_name(session: AsyncSession, name: str) -> None:
    """Waits for the lock of a name, which is held until this transaction's end."""
    await session.execute(_LOCK, {"key": lock_key(name)})


def lock_key(name: str) -> int:
    """The key of a name's lock. It has 64 bits: two names that share one by chance only wait for each other."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


async def driver_connection(session: AsyncSession) -> DriverConnection:
    """A session's asyncpg connection, which is in a transaction only after the session's first statement.

    Behind a transaction pooler it is in one already: for types that are new to it, asyncpg queries the catalog and
    changes a setting of the session meanwhile.
    """
    if session.get_bind().get_execution_options().get(POOLED):
        await session.execute(_EMPTY_STATEMENT)
    connection = await (await session.connection()).get_raw_connection()
    return cast("DriverConnection", connection.driver_connection)
