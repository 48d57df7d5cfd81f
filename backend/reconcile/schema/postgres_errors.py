"""PostgreSQL's errors, whichever the driver: their SQLSTATE, their message, and whether another try may succeed."""

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

_BUSY = {"55P03", "40P01"}  # lock_not_available, deadlock_detected


def is_busy(error: DBAPIError) -> bool:
    """Whether the same may go well a moment later, because somebody else was using a table."""
    return sqlstate_of(error) in _BUSY


def first_failure(error: BaseException) -> DBAPIError | None:
    """What PostgreSQL said first: over a connection that it ended, SQLAlchemy stumbles again and raises that."""
    failure: DBAPIError | None = None
    cause: BaseException | None = error
    while isinstance(cause, SQLAlchemyError):
        failure = cause if isinstance(cause, DBAPIError) else failure
        cause = cause.__context__
    return failure


def message_of(error: DBAPIError) -> str:
    """What PostgreSQL said, without what SQLAlchemy wraps round it."""
    cause = getattr(error.orig, "__cause__", None) or error.orig
    detail = getattr(cause, "detail", None)
    return f"{cause}" + (f" ({detail})" if detail else "")


def sqlstate_of(error: DBAPIError) -> str:
    """PostgreSQL's code of an error, whichever the driver."""
    original = error.orig
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "XX000"
