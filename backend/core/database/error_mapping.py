"""Maps the driver's errors to DatabaseProblem, with the SQL that would fix them where there is one."""

import errno
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from asyncpg import exceptions
from sqlalchemy.exc import DBAPIError

from core.errors import (
    DatabaseBroken,
    DatabaseBusy,
    DatabaseFull,
    DatabaseMissing,
    DatabaseProblem,
    DatabaseReadOnly,
    DatabaseUnreachable,
    PasswordRefused,
    PoolerUnnamed,
    PrivilegeMissing,
    quoted,
)

CONNECT_TIMEOUT_SECONDS = 10
_NO_SPACE = os.strerror(errno.ENOSPC)
_DENIED = re.compile(r"permission denied for ((?:materialized |foreign )?\w+) (.+)|must be owner of (\w+) (.+)")
_GRANTS = {
    "table": "SELECT, INSERT, UPDATE, DELETE",
    "schema": "USAGE, CREATE",
    "database": "CONNECT, CREATE",
}


@dataclass(frozen=True)
class _Case:
    """A driver's error message, with the database and the user."""

    message: str
    reason: str
    where: str
    database: str
    user: str


def _unreachable(case: _Case) -> DatabaseProblem:
    return DatabaseUnreachable(case.where, case.reason)


def _busy(case: _Case) -> DatabaseProblem:
    return DatabaseBusy(case.reason)


def _pooled(case: _Case) -> DatabaseProblem:
    return PoolerUnnamed(case.where)


def _broken(case: _Case) -> DatabaseProblem:
    return DatabaseFull(case.where) if _NO_SPACE in case.message else DatabaseBroken(case.where, case.reason)


def _schema_hidden(case: _Case) -> DatabaseProblem | None:
    if "no schema has been selected" not in case.message:
        return None
    return _privilege_missing("permission denied for schema public", user=case.user, database=case.database)


def _closed(case: _Case) -> DatabaseProblem | None:
    return DatabaseReadOnly(case.where) if "not accepting commands" in case.message else None


# By SQLSTATE, or by its class, which is its first two characters (PostgreSQL, Appendix A). Any other code is a bug in a
# statement, which no request must be able to cause.
_PROBLEMS: Mapping[str, Callable[[_Case], DatabaseProblem | None]] = {
    "08": _unreachable,
    "25006": lambda case: DatabaseReadOnly(case.where),
    "25P03": _unreachable,  # the server ended an idle transaction's connection
    "25P04": _unreachable,  # or that of one that took too long
    "26000": _pooled,  # a prepared statement is missing: it is in another session
    "28": lambda case: PasswordRefused(case.user, case.where),
    "3D000": lambda case: DatabaseMissing(case.database, case.where),
    "3F000": _schema_hidden,
    "40": _busy,  # a deadlock, a conflict with another transaction or with a standby's recovery
    "42501": lambda case: _privilege_missing(case.message, user=case.user, database=case.database),
    "42P05": _pooled,  # another client's statement has its name
    "53": _busy,  # too many connections, no memory
    "53100": lambda case: DatabaseFull(case.where),
    "54000": _closed,  # out of transaction ids
    "55P03": _busy,  # lock_timeout
    "55006": _busy,
    "57": _unreachable,  # the server starts, stops, or has crashed
    "57014": _busy,  # statement_timeout, or cancelled by an administrator
    "58": _broken,
    "XX001": _broken,
    "XX002": _broken,
}


def database_problem(error: BaseException, *, address: str) -> DatabaseProblem | None:
    """The problem of the database at `address` that caused `error`; None when there is another cause."""
    cause = _driver_error(error)
    message = str(cause.args[0] if cause.args else cause)
    where, database, user = _address_parts(address)
    case = _Case(message, _plain_reason(cause), where, database, user)
    match cause:
        case exceptions.InvalidCachedStatementError():
            return DatabaseBusy("its schema has just been changed")
        case exceptions.PostgresError():
            code = cause.sqlstate or ""
            problem = _PROBLEMS.get(code) or _PROBLEMS.get(code[:2])
            return problem(case) if problem else None
        case TimeoutError():
            return DatabaseUnreachable(where, f"no answer within {CONNECT_TIMEOUT_SECONDS} seconds")
        case exceptions.InterfaceError() | exceptions.InternalClientError() | OSError():  # cut in mid-message
            return _unreachable(case)
    return None


def _driver_error(error: BaseException) -> BaseException:
    """SQLAlchemy wraps asyncpg's exception twice; the innermost one has the SQLSTATE."""
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


def _address_parts(address: str) -> tuple[str, str, str]:
    """Host and port, database, and user, without the password."""
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
        if kind == "index":  # an index belongs to its table's owner
            remedy = f"ALTER TABLE … OWNER TO {to};"
        return PrivilegeMissing(user, f"change the {kind} {name}, which it doesn't own", remedy)
    remedy = f"GRANT {_GRANTS.get(kind, 'ALL')} ON {kind.upper()} {name} TO {to};"
    return PrivilegeMissing(user, f"use the {kind} {name}", remedy)
