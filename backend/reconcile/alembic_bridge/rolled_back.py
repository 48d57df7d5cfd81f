"""rolled_back: env.py runs as it does, and nothing that its connections send is committed.

It doesn't reach connections that are made past SQLAlchemy, nor what a listener of the project's own does there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from reconcile.sql.split import split
from reconcile.sql.statements import read_statement


@contextmanager
def rolled_back() -> Iterator[None]:
    """Leaves out every COMMIT of SQLAlchemy's connections within the block: what they do ends with them."""
    connections: list[Connection] = []

    def hold(connection: Connection) -> None:
        connections.append(connection)
        vars(connection.engine.dialect)["do_commit"] = lambda _: None

    event.listen(Engine, "do_connect", _without_hstore)
    event.listen(Engine, "engine_connect", hold)
    event.listen(Engine, "before_cursor_execute", _within_transaction, retval=True)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", _within_transaction)
        event.remove(Engine, "engine_connect", hold)
        event.remove(Engine, "do_connect", _without_hstore)
        for connection in connections:
            _let_go(connection)


def _without_hstore(dialect: Any, *_: Any) -> None:
    """Psycopg is asked for that type by a query in which somebody else's operator may be called."""
    dialect.use_native_hstore = False


def _within_transaction(connection: Connection, cursor: Any, sql: str, parameters: Any, *_: Any) -> tuple[str, Any]:
    """The statement without what would end a transaction; one is begun where the driver begins none."""
    if getattr(connection.connection.dbapi_connection, "autocommit", False):
        cursor.execute("BEGIN")
    parts = split(sql)
    lasting = [part for part in parts if not read_statement(part).ends_transaction]
    return sql if len(lasting) == len(parts) else ";".join(lasting) or "SELECT", parameters


def _let_go(connection: Connection) -> None:
    """Ends what is still open, and has the engine connect anew: not to this database, while a chain is recorded."""
    dialect = connection.engine.dialect
    vars(dialect).pop("do_commit", None)
    if not dialect.is_async:  # an async one is closed by then, with its loop
        if not connection.closed:
            connection.connection.cursor().execute("ROLLBACK")
        connection.engine.dispose()
