"""Rehearses a revision: breaks it off after each statement, with rows in every table, heals, and compares.

What plain `alembic upgrade` makes of the same database, undisturbed, is what a heal has to come to.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError

from ..alembic_bridge.environment import RevisionRaised, upgrade
from ..alembic_bridge.own_connection import as_the_project_does
from ..alembic_bridge.version_table import make_room_for_ids
from ..healing.heal import heal
from ..schema.errors import ReconcileError
from ..schema.postgres_errors import message_of
from ..tape.project import Project
from ..tape.record_chain import load_base
from ..tape.tape import Revision
from .contents import Contents, contents
from .databases import Databases, databases
from .locks import advice_for, leaves_transaction
from .rows import fill

_SQL_SHOWN = 100
_SAY_IT = (
    "a function verify(connection) in the revision's file may say whether its rows are moved, or replay_safe = True"
    " that it can run again"
)


class BaseNeeded(ReconcileError):
    """The chain needs objects before its first revision, and nobody said how a scratch database gets them."""

    def __init__(self) -> None:
        super().__init__(
            "The tape begins with objects that have to be there before the first revision: give pytest the same file"
            " that record had, --reconcile-base FILE"
        )


@dataclass(frozen=True)
class Finding:
    """What is wrong where a revision is broken off after `done` of its statements."""

    revision: str
    done: int
    total: int
    sql: str
    sentence: str
    remedies: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A sentence, and the remedies below it."""
        shown = " ".join(self.sql.split())
        shown = shown if len(shown) <= _SQL_SHOWN else f"{shown[:_SQL_SHOWN]} …"
        where = f"after statement {self.done} of {self.total}, {shown}"
        return "\n".join(
            [f"{self.revision} broken off {where}: {self.sentence}.", *(f"  {it}" for it in self.remedies)]
        )


class _BrokenOff(BaseException):
    """The run ends here, as by a kill: no `except Exception` of a revision stops it."""


@dataclass(frozen=True)
class _Ground:
    """A database before the revision, and what plain Alembic makes of it, twice."""

    name: str
    before: Contents
    end: Contents
    again: Contents


class RevisionFailsOnRows(ReconcileError):
    """The revision doesn't run where its tables have rows, whoever runs it."""

    def __init__(self, revision: str, reason: str) -> None:
        super().__init__(f"{revision} runs on empty tables, and fails on tables with rows: {reason}")
        self.revision = revision


def rehearse(
    connection: Connection, project: Project, revision: str, *, scratch: URL | None = None, base: str = ""
) -> list[Finding]:
    """What is wrong with a heal of a revision that was broken off, by its statements; empty where all is well.

    `base` is SQL for what the first revision needs.

    Raises:
        BaseNeeded: the chain doesn't begin with an empty database.
        BaseFailed: `base` doesn't run.
        RevisionFailsOnRows: nothing has to break it off for it to fail.
    """
    if project.tape.base and not base:
        raise BaseNeeded
    with databases(connection, scratch) as places:
        return list(Rehearsal(places, project, project.tape.by_id[revision], base=base).findings())


class Rehearsal:
    """One revision in scratch databases."""

    def __init__(self, places: Databases, project: Project, revision: Revision, *, base: str) -> None:
        self._places = places
        self._base = base
        self._project = project
        self._tape = project.tape
        self._revision = revision
        self._sent = [item.sql for item in revision.statements if not item.sql.startswith("--")]

    def findings(self) -> Iterator[Finding]:
        """Breaks the revision off after each of its statements.

        A transaction that has moved rows and done nothing else is rolled back where it ends early: that can't be left.
        """
        ground = self._ground()
        for done in range(1, len(self._sent) + 1):
            name = self._places.create(ground.name)
            last = self._break_off(name, done)
            with self._places.connected(name) as connection:
                broken = contents(connection, self._tape)
            if leaves_transaction(self._revision) or broken.schema != ground.before.schema:
                for sentence, remedies in self._healed(name, broken, ground):
                    yield Finding(self._revision.id, done, len(self._sent), last, sentence, remedies)
            self._places.drop(name)

    def _ground(self) -> _Ground:
        """The database before the revision, with rows; without, where a later revision can't take those."""
        name = self._places.create()
        with self._places.connected(name) as connection:
            load_base(self._base, connection)
            make_room_for_ids(connection, self._tape.versions, self._tape.by_id)
            connection.commit()
            for parent in self._revision.parents:
                upgrade(self._project.config, parent, as_the_project_does(connection))
            _commit(connection)
        try:
            return self._with_ends(name)
        except (DBAPIError, RevisionRaised) as error:
            raise self._failure(error) from error

    def _failure(self, error: DBAPIError | RevisionRaised) -> RevisionFailsOnRows:
        reason = f"PostgreSQL says: {message_of(error)}" if isinstance(error, DBAPIError) else str(error)
        return RevisionFailsOnRows(self._revision.id, reason.rstrip("."))

    def _with_ends(self, empty: str) -> _Ground:
        filled = self._places.create(empty)
        with self._places.connected(filled) as connection:
            with connection.begin():
                fill(connection, self._tape.versions.name)
            before = contents(connection, self._tape)
        end, again = (self._upgraded(filled) for _ in range(2))
        return _Ground(filled, before, end, again)

    def _upgraded(self, template: str) -> Contents:
        """What plain Alembic makes of a database."""
        name = self._places.create(template)
        with self._places.connected(name) as connection:
            upgrade(self._project.config, self._tape.until or "heads", as_the_project_does(connection))
            _commit(connection)
            made = contents(connection, self._tape)
        self._places.drop(name)
        return made

    def _break_off(self, name: str, done: int) -> str:
        """Ends an upgrade after so many statements, all of which stay; returns the last of them."""
        waiting, sent = Counter(map(_normal, self._sent)), list[str]()

        def count(connection: Connection, _cursor: Any, sql: str, *_: Any) -> None:
            if waiting[_normal(sql)] and len(sent) < done:
                waiting[_normal(sql)] -= 1
                sent.append(sql)
                if len(sent) == done:
                    driver: Any = connection.connection.dbapi_connection
                    driver.commit()
                    raise _BrokenOff

        with self._places.connected(name) as connection:
            event.listen(connection.engine, "after_cursor_execute", count)
            try:
                upgrade(self._project.config, self._revision.id, as_the_project_does(connection))
            except BaseException:
                if len(sent) < done:  # not by us
                    raise
            finally:
                event.remove(connection.engine, "after_cursor_execute", count)
        return sent[-1] if sent else ""

    def _healed(self, name: str, broken: Contents, ground: _Ground) -> Iterator[tuple[str, tuple[str, ...]]]:
        """What is wrong after a heal, with remedies."""
        with self._places.connected(name) as connection:
            report = heal(connection, self._project)
            after = contents(connection, self._tape)
        if report.plan.refusal is not None:
            refusal = report.plan.refusal
            yield f"it can't be healed ({report.verdict}): {refusal.reason}", self._advice()
            expected, another = broken, broken
        else:
            expected, another = ground.end, ground.again
        for difference in expected.differences(after, another=another):
            yield f"after a heal ({report.verdict}, {report.outcome}) {difference}", self._advice()

    def _advice(self) -> tuple[str, ...]:
        return advice_for(self._revision) + (_SAY_IT,) * self._revision.moves_rows


def _commit(connection: Connection) -> None:
    if connection.in_transaction():
        connection.commit()


def _normal(sql: str) -> str:
    """A statement with the spaces and the percent signs that all drivers have."""
    return " ".join(sql.split()).replace("%%", "%")
