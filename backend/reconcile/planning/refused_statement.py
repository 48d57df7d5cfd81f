"""What PostgreSQL refused while a plan ran, as a refusal to report."""

from sqlalchemy.exc import DBAPIError

from reconcile.planning.plan import Refusal
from reconcile.schema.postgres_errors import is_busy, message_of, sqlstate_of

_NOT_THE_SCHEMA = ("08", "28", "42501", "53", "57", "58", "XX")  # connection, who, privilege, room, stop, I/O, internal


def refusal_of(error: DBAPIError) -> Refusal | None:
    """What the schema or the rows won't take, as a refusal; None for what isn't reconcile's to explain."""
    if is_busy(error) or sqlstate_of(error).startswith(_NOT_THE_SCHEMA):
        return None
    remedy = f"-- make this possible, then heal again: {' '.join((error.statement or '').split())};"
    return Refusal(f"PostgreSQL refused a step: {message_of(error)}", () if error.params else (remedy,))
