"""resume: finishes a revision that has begun, by its own code, leaving out the statements that have run.

The revision's upgrade() runs as a whole: what it asks, it is answered, so a loop over rows finds the rows. Of what it
sends, the statements that are known to have run don't reach the server.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from sqlalchemy import Connection, Engine, event

from reconcile.environment import upgrade
from reconcile.errors import ReconcileError
from reconcile.sql.statements import read_statement

_EXECUTIONS = ("do_execute", "do_executemany", "do_execute_no_params")


class ResumeFailed(ReconcileError):
    """A revision's code didn't repeat what it had done: so it isn't known what it would do the second time."""

    def __init__(self, revision: str, statement: str) -> None:
        super().__init__(
            f"revision {revision} moved rows before, by {statement}, and its code didn't come by that statement again"
        )
        self.revision = revision
        self.statement = statement


def resume(
    config: Config, revision: str, connection: Connection, *, done: tuple[str, ...], enums: Iterable[str] = ()
) -> None:
    """Has Alembic run a revision without the statements that have run.

    Raises:
        ResumeFailed: a statement that moves rows has run, and the code didn't send it again to be left out.
    """
    with _leaving_out(connection.engine, done) as waiting:
        upgrade(config, revision, connection, enums=enums)
    missed = [sql for sql in waiting if read_statement(sql).moves_rows]
    if missed:
        raise ResumeFailed(revision, missed[0])


@contextmanager
def _leaving_out(engine: Engine, done: tuple[str, ...]) -> Iterator[Counter[str]]:
    """Keeps each statement from the server as many times as it has run; yields those that have not come by yet."""
    waiting = Counter(_normal(sql) for sql in done)

    def hear(_cursor: Any, sql: str, *_: Any) -> bool:
        normal = _normal(sql)
        if waiting[normal] <= 0:
            return False
        waiting[normal] -= 1
        if not waiting[normal]:
            del waiting[normal]
        return True

    for name in _EXECUTIONS:
        event.listen(engine, name, hear)
    try:
        yield waiting
    finally:
        for name in _EXECUTIONS:
            event.remove(engine, name, hear)


def _normal(sql: str) -> str:
    """Whatever its spaces, and whether or not its driver has percent signs doubled."""
    return " ".join(sql.split()).replace("%%", "%")
