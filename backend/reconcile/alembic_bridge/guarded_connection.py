"""A connection whose transaction only its owner can end.

Some projects' env.py commit the connection that they get. On a guarded one that ends SQLAlchemy's transaction, but not
the server's, so a heal remains one transaction. A statement that would end it (in a branch of a revision that wasn't
taken when the chain was recorded) doesn't reach the server.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Connection, Engine, event

from ..schema.errors import ReconcileError
from ..sql.split import split
from ..sql.statements import read_statement
from .own_connection import engine_like


class TransactionEnded(ReconcileError):
    """A revision would have ended the heal's transaction, unlike when it was recorded."""

    def __init__(self, statement: str) -> None:
        super().__init__(
            f"a revision would end the transaction with {' '.join(statement.split())}, which it didn't do when the"
            " chain was recorded, and a heal is whole or not at all"
        )
        self.remedies = ("alembic upgrade head",)
        self.statement = statement


class TransactionGuard:
    """Guards a connection's transaction: while it is closed, COMMIT and ROLLBACK aren't sent."""

    def __init__(self) -> None:
        self.closed = False

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Closes the guard inside of the block."""
        self.closed = True
        try:
            yield
        finally:
            self.closed = False


@contextmanager
def guarded_connection(engine: Engine) -> Iterator[tuple[Connection, TransactionGuard]]:
    """A new connection to an engine's database, and its guard, which isn't closed yet."""
    seal = TransactionGuard()
    like = engine_like(engine, _sealable(engine.dialect, seal))
    event.listen(like, "before_cursor_execute", partial(_refuse_to_end, seal))
    try:
        with like.connect() as connection:
            yield connection, seal
    finally:
        like.dispose()


def _refuse_to_end(seal: TransactionGuard, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    if seal.closed and _ends_transaction(statement):
        raise TransactionEnded(statement)


@lru_cache(512)
def _ends_transaction(statement: str) -> bool:
    return any(read_statement(part).ends_transaction for part in split(statement))


def _sealable(dialect: Any, seal: TransactionGuard) -> Any:
    copied = copy.copy(dialect)
    for verb in ("do_commit", "do_rollback"):
        setattr(copied, verb, _unless_closed(getattr(dialect, verb), seal))
    return copied


def _unless_closed(end: Any, seal: TransactionGuard) -> Any:
    def end_unless_closed(connection: Any) -> None:
        if not seal.closed:
            end(connection)

    return end_unless_closed
