"""Finishes a half-applied revision by its own code, without the statements that have run.

The revision's upgrade() runs as a whole, with its queries, so that a loop over rows gets the rows. The statements that
are known to have run aren't sent to the server.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from sqlalchemy import Connection, Engine, event

from ..alembic_bridge.environment import upgrade
from ..command_line import command
from ..schema.errors import ReconcileError
from ..tape.tape import Revision, Statement
from ..tape.varying import fits

_EXECUTIONS = ("do_execute", "do_executemany", "do_execute_no_params")


class ResumeFailed(ReconcileError):
    """A revision's code took another branch than when it was recorded, as code does that inspects the schema."""

    def __init__(self, revision: str, statement: str) -> None:
        super().__init__(
            f"the code of revision {revision} looks at what is there, and this time it didn't come by this statement:"
            f" {statement}"
        )
        self.remedies = (
            f"-- have done by hand what is left of {revision}, and then: {command('heal', '--assume', revision)}",
        )
        self.revision = revision
        self.statement = statement


def resume(
    config: Config,
    revision: Revision,
    connection: Connection,
    *,
    done: tuple[int, ...],
    enums: Iterable[str] = (),
) -> None:
    """Lets Alembic run a revision without the statements that have run.

    Raises:
        ResumeFailed: the code didn't send a recorded statement that moves rows or reads them.
    """
    left_out = [statement.sql for at, statement in enumerate(revision.statements) if at in done]
    expected = [statement.sql for statement in revision.statements if _must_come_by(statement)]
    varying = [statement.sql for statement in revision.statements if statement.varies]
    with _heard(connection.engine, left_out, varying=varying) as heard:
        upgrade(config, revision.id, connection, enums=enums)
    missed = Counter(map(_normal, expected)) - heard
    if missed:
        raise ResumeFailed(revision.id, next(iter(missed)))


def _must_come_by(statement: Statement) -> bool:
    return statement.traceless and not statement.sql.startswith("--")  # statements outside of SQLAlchemy have no event


@contextmanager
def _heard(engine: Engine, left_out: Iterable[str], *, varying: Iterable[str]) -> Iterator[Counter[str]]:
    """Yields how often each statement was sent; keeps those to be left out from the server, as often as recorded."""
    heard, waiting = Counter[str](), Counter(map(_normal, left_out))
    varying_texts = tuple(map(_normal, varying))

    def hear(_cursor: Any, sql: str, *_: Any) -> bool:
        normal = _normal(sql)
        normal = next((text for text in varying_texts if fits(text, normal)), normal)
        heard[normal] += 1
        if not waiting[normal]:
            return False
        waiting[normal] -= 1
        return True

    for name in _EXECUTIONS:
        event.listen(engine, name, hear)
    try:
        yield heard
    finally:
        for name in _EXECUTIONS:
            event.remove(engine, name, hear)


def _normal(sql: str) -> str:
    """The statement with normalized spaces and percent signs, which some drivers double."""
    return " ".join(sql.split()).replace("%%", "%")
