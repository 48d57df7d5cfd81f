"""The way to the database: which one, an engine with its sessions, and what went wrong in one sentence."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from urllib.parse import parse_qs, urlsplit

import asyncpg
from sqlalchemy import NullPool
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from core.embedded_postgres import join
from core.errors import (
    DatabaseMissing,
    DatabaseProblem,
    DatabaseUnreachable,
    PasswordRefused,
    PrivilegeMissing,
    SettingRefused,
    quoted,
)
from core.settings import Settings, load_settings

CONNECT_TIMEOUT_SECONDS = 10
_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
_DENIED = re.compile(r"permission denied for (\w+) (\S+)|must be (owner) of \w+ (\S+)")


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
    """The database as migrations reach it: round a transaction pooler, where MIGRATION_DATABASE_URL says so."""
    if settings.migration_database_url is None:
        return database_address(settings)
    return _plain_address("MIGRATION_DATABASE_URL", settings.migration_database_url.get_secret_value())


def _plain_address(setting: str, value: str) -> str:
    address, matched = _SCHEME.subn("postgresql://", value)
    try:
        _ = urlsplit(address).port
    except ValueError:
        matched = 0
    if not matched:
        raise SettingRefused(setting, "is not an address like postgresql://user:password@host:5432/database")
    return address


def open_engine(address: str) -> AsyncEngine:
    """An engine for serving: a pool whose connections are tried before they are lent."""
    return create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"dsn": address, "timeout": CONNECT_TIMEOUT_SECONDS},
        pool_size=10,
        max_overflow=20,
        pool_pre_ping=True,
    )


def open_single_use_engine(address: str) -> AsyncEngine:
    """An engine for migrations and scripts: no pool, and no cached statement that a change of schema would break."""
    return create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"dsn": address, "timeout": CONNECT_TIMEOUT_SECONDS, "prepared_statement_cache_size": 0},
        poolclass=NullPool,
    )


@cache
def _default_address() -> str:
    return database_address(load_settings())


@asynccontextmanager
async def async_session() -> AsyncIterator[AsyncSession]:
    """A session on the configured database, connected on entry, so that entering it proves that the server is there.

    Raises:
        DatabaseProblem: the database can't be used.
    """
    address = _default_address()
    engine = open_single_use_engine(address)
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            with explained(address):
                await session.connection()
            yield session
    finally:
        await engine.dispose()


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Turns what a driver raises inside the block into the DatabaseProblem that it means, where it means one."""
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError, OSError) as error:
        found = database_problem(error, address=address)
        if found is None:
            raise
        raise found from error


def database_problem(error: BaseException, *, address: str) -> DatabaseProblem | None:
    """What `error` says about the database at `address`, or None when it is about something else."""
    cause = _driver_error(error)
    where, name, user = _told(address)
    match cause:
        case asyncpg.InvalidCatalogNameError():
            return DatabaseMissing(name, where)
        case asyncpg.InvalidAuthorizationSpecificationError():  # InvalidPasswordError is one
            return PasswordRefused(user, where)
        case asyncpg.InsufficientPrivilegeError():
            return _privilege_missing(str(cause), user=user, database=name)
        case asyncpg.PostgresConnectionError() | asyncpg.CannotConnectNowError() | asyncpg.TooManyConnectionsError():
            return DatabaseUnreachable(where, str(cause).rstrip("."))
        case TimeoutError():
            return DatabaseUnreachable(where, f"no answer within {CONNECT_TIMEOUT_SECONDS} seconds")
        case asyncpg.InterfaceError() | OSError():
            return DatabaseUnreachable(where, _plain_reason(cause))
    return None


def _driver_error(error: BaseException) -> BaseException:
    """SQLAlchemy wraps asyncpg's exception twice; the innermost one knows the SQLSTATE."""
    while isinstance(error, DBAPIError) or type(error).__module__.startswith("sqlalchemy."):
        inner = getattr(error, "orig", None) or error.__cause__
        if inner is None:
            break
        error = inner
    return error


def _plain_reason(error: BaseException) -> str:
    match error:
        case ConnectionRefusedError():
            return "nothing listens there"
        case FileNotFoundError():
            return "there is no such socket"
    return getattr(error, "strerror", None) or str(error).rstrip(".")


def _told(address: str) -> tuple[str, str, str]:
    """Where, which database and who, as they may be shown: never the password."""
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    host = parts.hostname or query.get("host", ["localhost"])[0]
    where = host if host.startswith("/") else f"{host}:{parts.port or query.get('port', ['5432'])[0]}"
    user = parts.username or query.get("user", ["(unnamed)"])[0]
    return where, parts.path.lstrip("/") or user, user


def _privilege_missing(message: str, *, user: str, database: str) -> PrivilegeMissing:
    to = quoted(user)
    match = _DENIED.search(message)
    if match is None:
        return PrivilegeMissing(user, f"do this ({message})", f"GRANT ALL PRIVILEGES ON DATABASE {quoted(database)} TO {to};")
    kind, name = match[1] or match[3], match[2] or match[4]
    match kind:
        case "owner":
            return PrivilegeMissing(user, f"change {name}, which it doesn't own", f"ALTER TABLE {name} OWNER TO {to};")
        case "schema":
            return PrivilegeMissing(
                user, f"create tables in the schema {name}", f"GRANT USAGE, CREATE ON SCHEMA {name} TO {to};"
            )
        case "database":
            return PrivilegeMissing(user, f"use the database {name}", f"GRANT CONNECT, CREATE ON DATABASE {name} TO {to};")
    return PrivilegeMissing(
        user, f"use the {kind} {name}", f"GRANT SELECT, INSERT, UPDATE, DELETE ON {kind.upper()} {name} TO {to};"
    )
