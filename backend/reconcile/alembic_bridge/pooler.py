"""Detects a transaction pooler between us and PostgreSQL.

Behind one, each transaction may run in another session, so that a lock of a session would stay with somebody else's
and never be released. Two clients that are connected at once and use the same backend prove that there is a pooler.
"""

from sqlalchemy import Connection, text

from ..schema.errors import ReconcileError
from .own_connection import engine_like

_TRIES = 3
_BACKEND = text("SELECT pg_catalog.pg_backend_pid()")


class PoolerBetween(ReconcileError):
    """The connection goes through a transaction pooler."""

    def __init__(self) -> None:
        super().__init__(
            "One session of PostgreSQL answers two connections in turn: a pooler in transaction mode stands between."
            " Nothing was changed. Heal over a direct connection: PostgreSQL's own address and port in place of the"
            " pooler's, or a database of the pooler with pool_mode=session"
        )


def refuse_pooler(connection: Connection) -> None:
    """Checks that the connection's session is its own; it must not be in a transaction.

    Raises:
        PoolerBetween: it isn't.
    """
    beside = engine_like(connection.engine)
    try:
        with beside.connect() as other:
            for _ in range(_TRIES):
                ours = _backend(connection)
                if _backend(other) == ours or _backend(connection) != ours:
                    raise PoolerBetween
    finally:
        beside.dispose()


def _backend(connection: Connection) -> int:
    with connection.begin() as transaction:
        backend: int = connection.scalar(_BACKEND)
        transaction.rollback()
    return backend
