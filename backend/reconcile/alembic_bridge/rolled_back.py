"""Runs env.py, or makes an application, without committing anything that their connections to PostgreSQL send.

Connections that aren't SQLAlchemy's, and what the project's own listeners do on them, are out of its reach.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from ..sql.split import split
from ..sql.statements import read_statement

POSTGRESQL = "postgresql"  # the name of SQLAlchemy's dialect


@contextmanager
def rolled_back() -> Iterator[None]:
    """Suppresses every COMMIT of SQLAlchemy's connections inside of the block: their work is rolled back."""
    connections: list[Connection] = []

    def hold(connection: Connection) -> None:
        if connection.dialect.name != POSTGRESQL:
            return
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
    """Keeps psycopg from looking for the type hstore: its query may call somebody else's operator."""
    dialect.use_native_hstore = False


def _within_transaction(connection: Connection, cursor: Any, sql: str, parameters: Any, *_: Any) -> tuple[str, Any]:
    """The statement without the commands that would end a transaction; begins one where the driver doesn't."""
    if connection.dialect.name != POSTGRESQL:
        return sql, parameters
    if getattr(connection.connection.dbapi_connection, "autocommit", False):
        cursor.execute("BEGIN")
    parts = split(sql)
    lasting = [part for part in parts if not read_statement(part).ends_transaction]
    return sql if len(lasting) == len(parts) else ";".join(lasting) or "SELECT", parameters


def _let_go(connection: Connection) -> None:
    """Closes open connections, and lets the engine connect anew: a recording connects to another database."""
    dialect = connection.engine.dialect
    vars(dialect).pop("do_commit", None)
    if not dialect.is_async:  # async connections are closed by then, with their loop
        if not connection.closed:
            connection.connection.cursor().execute("ROLLBACK")
        connection.engine.dispose()
