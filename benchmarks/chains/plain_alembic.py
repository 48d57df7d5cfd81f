"""plain_alembic: `alembic upgrade` as its users run it, to its end or broken off after some statement."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from databases import ASIDE
from sqlalchemy import Connection, Engine, event

_COMMENT = re.compile(r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*", re.DOTALL)
_WORD = re.compile(r"\w+")
_NO_STEP = {"SELECT", "SHOW", "SET", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "EXPLAIN", "LOCK", "TABLE"}
_SCHEMA = {"CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE"}
_CATALOG = re.compile(r"pg_catalog\.|information_schema\.|\bpg_\w+", re.IGNORECASE)
_COPIES_ROWS = re.compile(r"\s*CREATE\s[^;]*\bAS\s*\(?\s*(?:SELECT|WITH)\b", re.IGNORECASE)
_LEAVES = re.compile(r"\s*(?:COMMIT|END|BEGIN)\b", re.IGNORECASE)
_VERSION_TABLE = "alembic_version"

Place: TypeAlias = tuple[str, int]
Action: TypeAlias = Callable[[Connection], object]


class BrokenOff(BaseException):
    """The run ends here, as by a kill: no revision's `except Exception` stops it."""


@dataclass(frozen=True)
class Executed:
    """A statement as it was executed, `alone` outside of the run's transaction."""

    revision: str
    sql: str
    alone: bool

    @property
    def word(self) -> str:
        """Its first word in capitals, behind comments."""
        match = _WORD.match(self.sql[_COMMENT.match(self.sql).end() :])  # type: ignore[union-attr]  # matches anything
        return match[0].upper() if match else ""

    @property
    def is_step(self) -> bool:
        """Whether the database may be another after it."""
        return bool(self.word) and self.word not in _NO_STEP and not self.is_bookkeeping

    @property
    def is_bookkeeping(self) -> bool:
        """Whether it is Alembic's own, about its version table."""
        return _VERSION_TABLE in self.sql

    @property
    def touches_rows(self) -> bool:
        """Whether it moves rows, or asks for some that aren't the catalogs'."""
        if self.word == "SELECT":
            return bool(re.search(r"\bFROM\b", self.sql)) and not _CATALOG.search(self.sql)
        return self.is_step and (self.word not in _SCHEMA or _COPIES_ROWS.match(self.sql) is not None)

    @property
    def leaves_transaction(self) -> bool:
        """Whether a run that is killed later can't take back what was before it."""
        return self.alone or _LEAVES.match(self.sql) is not None


def order(ini: Path) -> list[str]:
    """The revisions in the order in which `alembic upgrade head` runs them."""
    scripts = ScriptDirectory.from_config(Config(ini))
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


def upgrade(ini: Path, target: str, revisions: Sequence[str], *, at: Mapping[Place, Action]) -> list[Executed]:
    """Runs the revisions to the target, or to where an action raises BrokenOff; the statements of revisions.

    `revisions` are those to come, in their order. An action is called with the run's connection after so many steps of
    its revision: after 0 when those before are done.
    """
    executed: list[Executed] = []
    position = _Position(iter(revisions))

    def listen(connection: Connection, _cursor: Any, sql: str, *_: Any) -> None:
        options = connection.get_execution_options()
        if ASIDE in options:
            return
        statement = Executed(position.revision, sql, alone=options.get("isolation_level") == "AUTOCOMMIT")
        moved = position.move(statement)
        if not statement.is_bookkeeping:
            executed.append(statement)
        if moved and (position.revision, position.steps) in at:
            at[position.revision, position.steps](connection)

    event.listen(Engine, "after_cursor_execute", listen)
    try:
        with contextlib.suppress(BrokenOff):
            command.upgrade(Config(ini), target)
    finally:
        event.remove(Engine, "after_cursor_execute", listen)
    return executed


class _Position:
    """How many steps of which revision have been done."""

    def __init__(self, revisions: Iterator[str]) -> None:
        self._revisions = revisions
        self.revision, self.steps = next(revisions, ""), 0

    def move(self, statement: Executed) -> bool:
        """Whether the statement is a step, or the stamp of a revision."""
        if statement.is_bookkeeping and statement.word in ("INSERT", "UPDATE"):
            self.revision, self.steps = next(self._revisions, ""), 0
            return True
        self.steps += statement.is_step
        return statement.is_step


def commit(connection: Connection) -> None:
    """Makes what has been done so far stay, as where it had been run by hand. SQLAlchemy isn't told."""
    driver: Any = connection.connection.dbapi_connection
    driver.commit()
