"""pooler: whether a transaction pooler stands between us and PostgreSQL.

Behind one, each transaction may run in another session: a lock that is held by a session is held by a stranger, and
never given back. Two clients that are connected at once and are answered by one backend prove it.
"""

from sqlalchemy import Connection, text

from reconcile.alembic_bridge.own_connection import engine_like
from reconcile.schema.errors import ReconcileError

_TRIES = 3
_BACKEND = text("SELECT pg_catalog.pg_backend_pid()")


class PoolerBetween(ReconcileError):
    """A transaction pooler answers in PostgreSQL's place."""

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
