"""The way to the database: which one, an engine with its sessions, and what went wrong in one sentence."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

from asyncpg import exceptions
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
_SPELLINGS = {"ssl": "sslmode"}
_NOT_AN_ADDRESS = (
    "is not an address like postgresql://user:password@host:5432/database"
    " (in the user and password, write @ as %40, / as %2F, # as %23)"
)
_DENIED = re.compile(r"permission denied for ((?:materialized |foreign )?\w+) (.+)|must be owner of (\w+) (.+)")
_GRANTS = {
    "table": "SELECT, INSERT, UPDATE, DELETE",
    "schema": "USAGE, CREATE",
    "database": "CONNECT, CREATE",
}


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
    """An engine for migrations and scripts: no pool, and no statement cached that new schemas would break."""
    return create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"dsn": address, "timeout": CONNECT_TIMEOUT_SECONDS, "prepared_statement_cache_size": 0},
        poolclass=NullPool,
    )


@asynccontextmanager
async def async_session() -> AsyncIterator[AsyncSession]:
    """A session on the configured database; entering it connects, which proves that the server is there.

    Raises:
        DatabaseProblem: the database can't be used.
    """
    address = database_address(load_settings())
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
    """Turns what a driver raises inside the block into the DatabaseProblem that it means, if any."""
    try:
        yield
    except (DBAPIError, exceptions.PostgresError, exceptions.InterfaceError, OSError) as error:
        found = database_problem(error, address=address)
        if found is None:
            raise
        raise found from error


def database_problem(error: BaseException, *, address: str) -> DatabaseProblem | None:
    """What `error` says about the database at `address`, or None when it is about something else."""
    cause = _driver_error(error)
    where, name, user = _told(address)
    match cause:
        case exceptions.InvalidCatalogNameError():
            return DatabaseMissing(name, where)
        case exceptions.InvalidAuthorizationSpecificationError():  # InvalidPasswordError is one
            return PasswordRefused(user, where)
        case exceptions.InsufficientPrivilegeError():
            return _privilege_missing(cause.args[0], user=user, database=name)
        case exceptions.InvalidSchemaNameError() if "no schema has been selected" in cause.args[0]:
            return _privilege_missing("permission denied for schema public", user=user, database=name)
        case TimeoutError():
            return DatabaseUnreachable(where, f"no answer within {CONNECT_TIMEOUT_SECONDS} seconds")
        case (
            exceptions.PostgresConnectionError()
            | exceptions.OperatorInterventionError()  # it starts, stops or crashed
            | exceptions.TooManyConnectionsError()
            | exceptions.InterfaceError()
            | OSError()
        ) if not isinstance(cause, exceptions.QueryCanceledError):
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
    message = getattr(error, "strerror", None) or str(error.args[0] if error.args else error)
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in message:
        return "nothing listens there"
    if isinstance(error, FileNotFoundError):
        return "there is no such socket"
    return message.rstrip(".")


def _told(address: str) -> tuple[str, str, str]:
    """Where, which database and who, as they may be shown: never the password."""
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    login, _, hosts = parts.netloc.rpartition("@")
    host = unquote(hosts) or query.get("host", ["localhost"])[0]
    complete = host.startswith("/") or re.search(r":\d+$", host)
    where = host if complete else f"{host}:{query.get('port', ['5432'])[0]}"
    user = unquote(login.partition(":")[0]) or query.get("user", ["(unnamed)"])[0]
    return where, unquote(parts.path.lstrip("/")) or query.get("dbname", [user])[0], user


def _privilege_missing(message: str, *, user: str, database: str) -> PrivilegeMissing:
    to = quoted(user)
    match = _DENIED.search(message)
    if match is None:
        remedy = f"GRANT ALL PRIVILEGES ON DATABASE {quoted(database)} TO {to};"
        return PrivilegeMissing(user, f"do this ({message})", remedy)
    kind, owned = match[1] or match[3], match[3] is not None
    name = quoted((match[2] or match[4]).strip('"'))
    if owned:
        kind = "table" if kind == "relation" else kind
        remedy = f"ALTER {kind.upper()} {name} OWNER TO {to};"
        if kind == "index":  # owned by whoever owns its table
            remedy = f"ALTER TABLE … OWNER TO {to};"
        return PrivilegeMissing(user, f"change the {kind} {name}, which it doesn't own", remedy)
    remedy = f"GRANT {_GRANTS.get(kind, 'ALL')} ON {kind.upper()} {name} TO {to};"
    return PrivilegeMissing(user, f"use the {kind} {name}", remedy)
