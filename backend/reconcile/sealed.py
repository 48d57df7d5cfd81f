"""sealed: a connection whose transaction nobody but its owner ends.

Some projects' env.py commit the connection that they are given. On a sealed one that ends SQLAlchemy's transaction,
but not the server's: the whole heal stays one, whatever env.py does.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine


class Seal:
    """What the owner of a sealed connection holds: while it is closed, COMMIT and ROLLBACK go nowhere."""

    def __init__(self) -> None:
        self.closed = False

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Closes the seal for the length of the block."""
        self.closed = True
        try:
            yield
        finally:
            self.closed = False


@contextmanager
def sealed_connection(engine: Engine) -> Iterator[tuple[Connection, Seal]]:
    """A new connection to an engine's database, with its seal, still open."""
    seal = Seal()
    like = Engine(engine.pool.recreate(), _sealable(engine.dialect, seal), engine.url)
    try:
        with like.connect() as connection:
            yield connection, seal
    finally:
        like.dispose()


def _sealable(dialect: Any, seal: Seal) -> Any:
    copied = copy.copy(dialect)
    for verb in ("do_commit", "do_rollback"):
        setattr(copied, verb, _unless_closed(getattr(dialect, verb), seal))
    return copied


def _unless_closed(end: Any, seal: Seal) -> Any:
    def end_unless_closed(connection: Any) -> None:
        if not seal.closed:
            end(connection)

    return end_unless_closed
