"""Turns a statement that PostgreSQL has refused while a plan ran into a refusal."""

from sqlalchemy.exc import DBAPIError

from ..schema.postgres_errors import is_busy, message_of, sqlstate_of
from .plan import Refusal

_NOT_THE_SCHEMA = ("08", "28", "42501", "53", "57", "58", "XX")  # connection, who, privilege, room, stop, I/O, internal


def refusal_of(error: DBAPIError) -> Refusal | None:
    """The refusal for an error caused by the schema or its rows; None for other errors."""
    if is_busy(error) or sqlstate_of(error).startswith(_NOT_THE_SCHEMA):
        return None
    remedy = f"-- make this possible, then heal again: {' '.join((error.statement or '').split())};"
    return Refusal(f"PostgreSQL refused a step: {message_of(error)}", () if error.params else (remedy,))
