"""failure: what PostgreSQL refused, told apart: try again, a refusal to report, or nothing of the schema's."""

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from reconcile.plan import Refusal

_BUSY = {"55P03", "40P01"}  # lock_not_available, deadlock_detected
_NOT_THE_SCHEMA = ("08", "28", "42501", "53", "57", "58", "XX")  # connection, who, privilege, room, stop, I/O, internal


def is_busy(error: DBAPIError) -> bool:
    """Whether the same may go well a moment later, because somebody else was using a table."""
    return sqlstate_of(error) in _BUSY


def refusal_of(error: DBAPIError) -> Refusal | None:
    """What the schema or the rows won't take, as a refusal; None for what isn't reconcile's to explain."""
    if is_busy(error) or sqlstate_of(error).startswith(_NOT_THE_SCHEMA):
        return None
    remedy = f"-- make this possible, then heal again: {' '.join((error.statement or '').split())};"
    return Refusal(f"PostgreSQL refused a step: {message_of(error)}", () if error.params else (remedy,))


def first_failure(error: BaseException) -> DBAPIError | None:
    """What PostgreSQL said first: over a connection that it ended, SQLAlchemy stumbles again and raises that."""
    found: DBAPIError | None = None
    cause: BaseException | None = error
    while isinstance(cause, SQLAlchemyError):
        found = cause if isinstance(cause, DBAPIError) else found
        cause = cause.__context__
    return found


def message_of(error: DBAPIError) -> str:
    """What PostgreSQL said, without what SQLAlchemy wraps round it."""
    cause = getattr(error.orig, "__cause__", None) or error.orig
    detail = getattr(cause, "detail", None)
    return f"{cause}" + (f" ({detail})" if detail else "")


def sqlstate_of(error: DBAPIError) -> str:
    """PostgreSQL's code of an error, whichever the driver."""
    original = error.orig
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "XX000"
