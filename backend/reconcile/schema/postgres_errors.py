"""PostgreSQL's errors of any driver: their SQLSTATE, their message, and whether a retry may succeed."""

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

_BUSY = {"55P03", "40P01"}  # lock_not_available, deadlock_detected


def is_busy(error: DBAPIError) -> bool:
    """Whether a retry may succeed, because somebody else was using a table."""
    return sqlstate_of(error) in _BUSY


def first_failure(error: BaseException) -> DBAPIError | None:
    """PostgreSQL's first error: on a connection that it has ended, SQLAlchemy raises another one afterwards."""
    failure: DBAPIError | None = None
    cause: BaseException | None = error
    while isinstance(cause, SQLAlchemyError):
        failure = cause if isinstance(cause, DBAPIError) else failure
        cause = cause.__context__
    return failure


def message_of(error: DBAPIError) -> str:
    """PostgreSQL's message, without SQLAlchemy's additions."""
    cause = getattr(error.orig, "__cause__", None) or error.orig
    detail = getattr(cause, "detail", None)
    return f"{cause}" + (f" ({detail})" if detail else "")


def sqlstate_of(error: DBAPIError) -> str:
    """The SQLSTATE of an error of any driver."""
    original = error.orig
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "XX000"
