"""Says in one sentence what an error of the driver means, with the SQL that would mend it where there is one."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

from asyncpg import exceptions
from sqlalchemy.exc import DBAPIError

from core.errors import (
    DatabaseMissing,
    DatabaseProblem,
    DatabaseUnreachable,
    PasswordRefused,
    PrivilegeMissing,
    quoted,
)

CONNECT_TIMEOUT_SECONDS = 10
_DENIED = re.compile(r"permission denied for ((?:materialized |foreign )?\w+) (.+)|must be owner of (\w+) (.+)")
_GRANTS = {
    "table": "SELECT, INSERT, UPDATE, DELETE",
    "schema": "USAGE, CREATE",
    "database": "CONNECT, CREATE",
}


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
            | exceptions.InternalClientError()  # cut while the driver was speaking
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
