"""Records each statement of a revision by the engine's events, and observes what it did.

PostgreSQL is asked for all of that: the schema, whether the transaction is still the same, which user tables a query
reads, and what was done without SQLAlchemy.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy import Connection, Engine, event, text

from ..alembic_bridge.own_connection import commits_now
from ..observation.observe import VersionTable, observe
from ..schema.schema import Key, Schema
from ..sql.lexer import significant
from ..sql.names import names_in, unquoted
from ..sql.split import first_word, split
from ..sql.statements import read_statement
from .statement_kind import QUERIES, Query, functions_in, kind_of
from .tape import Effect, Kind, Revision, Statement, file_hash, makes_index, play, source_hash

_log = logging.getLogger(__name__)
_NO_STEP = {
    "SHOW",
    "SAVEPOINT",
    "ROLLBACK",
    "RELEASE",
    "BEGIN",
    "START",
    "EXPLAIN",
    "LOCK",
    "FETCH",
    "CLOSE",
    "DISCARD",
}
# Counts of committed transactions reach the shared ones later, unless they are flushed (PostgreSQL 15).
_FLUSH = text("SELECT pg_catalog.pg_stat_force_next_flush()")
_COUNTS, _COUNTS_OF_COMMITTED = (
    text(
        "SELECT pg_catalog.format('%I.%I'::text, t.schemaname, t.relname),"  # noqa: S608 - two words of ours
        " coalesce(t.seq_scan, 0) + coalesce(t.idx_scan, 0), t.n_tup_ins + t.n_tup_upd + t.n_tup_del"
        f" FROM pg_catalog.{view} t WHERE t.relname <> CAST(:versions AS text)"
    )
    for view in ("pg_stat_xact_user_tables", "pg_stat_user_tables")
)
_MARK = "reconcile.transaction"  # a setting of the transaction: without it the transaction has ended
SCHEMA = text("SELECT pg_catalog.current_schema()")


class Recorder:
    """Observes the database after each statement of a revision, by the engine's events."""

    def __init__(self, connection: Connection, versions: VersionTable, schema: str | None, *, total: int) -> None:
        self._connection = connection
        self._versions = versions
        self._schema = schema or connection.scalar(SCHEMA)  # a revision may choose another for its own names
        self._total = total
        self._looking = False
        self._tells_at_once = (connection.dialect.server_version_info or (0,)) >= (15,)
        self._mark = ""
        self._counted: dict[str, tuple[int, int]] = {}
        self._statements: list[Statement] = []
        self._savepoints: dict[str, int] = {}
        self.revisions: list[Revision] = []
        self.sent: list[str] = []
        self.script: Script | None = None
        self.before = self._look(connection)
        self._before_elsewhere: Schema = {}
        connection.commit()

    @contextmanager
    def listening(self) -> Iterator[None]:
        engine: Engine = self._connection.engine
        event.listen(engine, "before_cursor_execute", self._hear_what_went_by)
        event.listen(engine, "after_cursor_execute", self._hear)
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", self._hear_what_went_by)
            event.remove(engine, "after_cursor_execute", self._hear)

    def watch(self, steps: list[Any], context: MigrationContext) -> list[Any]:
        """Lets each of Alembic's steps begin and end a revision, and notices where one ends its transaction."""
        block = context.autocommit_block

        @contextmanager
        def autocommit_block() -> Iterator[None]:
            before = len(self._statements)
            self._hear_what_went_by(self._connection)
            with block():
                self._counted = self._counts()
                yield
                self._hear_what_went_by(self._connection)
            if len(self._statements) == before:  # it may do something for each row, and there are none
                self._end_of_transaction("-- autocommit_block()")
            self._set_mark()

        context.autocommit_block = autocommit_block  # type: ignore[method-assign]  # revisions ask the context for it
        for step in steps:
            step.migration_fn = self._recorded(step.revision, step.migration_fn)
        return steps

    def _recorded(self, script: Script, run: Any) -> Any:
        @wraps(run)
        def run_recorded(**options: Any) -> None:
            self.script, self._statements, self._savepoints = script, [], {}
            _log.info("%d of %d: revision %s", len(self.revisions) + 1, self._total, script.revision)
            self._set_mark()
            run(**options)
            self._hear_what_went_by(self._connection)
            self._hear_unspoken_end()
            self.revisions.append(self._revision(script))
            self.script = None

        return run_recorded

    def _revision(self, script: Script) -> Revision:
        return Revision(
            id=script.revision,
            parents=parents_of(script),
            source=source_hash(Path(script.path)),
            file=file_hash(Path(script.path)),
            statements=tuple(_in_settled_order(self._statements)),
            replay_safe=bool(getattr(script.module, "replay_safe", False)),
            verifies=hasattr(script.module, "verify"),
        )

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        self._looking = True
        try:
            yield
        finally:
            self._looking = False

    def _look(self, connection: Connection) -> Schema:
        """Observes, and restores the search path that `observe` pins: the revisions may have set one."""
        observation = observe(connection, versions=self._versions, schema=self._schema)
        connection.execute(
            text("SELECT pg_catalog.set_config('search_path', :path, true)"), {"path": observation.given_path}
        )
        return observation.schema

    def _hear_what_went_by(self, connection: Connection, _cursor: Any = None, sql: str = "", *_: Any) -> None:
        """Records what the revision's code did to user tables through the driver itself, by PostgreSQL's statistics."""
        if self._looking or self.script is None or first_word(sql) == "ROLLBACK":  # the transaction may be aborted
            return
        if connection is not self._connection:
            with self._unheard():
                self._before_elsewhere = self._look(connection)
            return
        counted = self._counted
        touched = self._touched()
        if touched:
            writes = any(self._counted[table][1] > counted.get(table, (0, 0))[1] for table in touched)
            kind: Kind = "opaque" if writes else "read"
            sql = f"-- rows of {' and '.join(touched)}, past SQLAlchemy"
            alone = commits_now(connection)
            self._statements.append(Statement(sql, kind, {}, transactional=not alone, tables=touched))

    def _touched(self) -> tuple[str, ...]:
        """The user tables that were read or written since the last call."""
        before, self._counted = self._counted, self._counts()
        return tuple(table for table, counts in self._counted.items() if counts > before.get(table, (0, 0)))

    def _counts(self) -> dict[str, tuple[int, int]]:
        """How often each user table was scanned, and how many rows were written, in this transaction or in all."""
        alone = commits_now(self._connection)
        if alone and not self._tells_at_once:
            return {}
        with self._unheard():
            if alone:
                self._connection.execute(_FLUSH)
            counts = _COUNTS_OF_COMMITTED if alone else _COUNTS
            rows = self._connection.execute(counts, {"versions": self._versions.name})
            return {table: (scans, writes) for table, scans, writes in rows}

    def _set_mark(self) -> None:
        self._mark = uuid4().hex
        with self._unheard():
            self._connection.execute(
                text("SELECT pg_catalog.set_config(:name, :mark, true)"), {"name": _MARK, "mark": self._mark}
            )
        self._counted = self._counts()

    def _has_left_transaction(self) -> bool:
        with self._unheard():
            mark = self._connection.scalar(text("SELECT pg_catalog.current_setting(:name, true)"), {"name": _MARK})
        return bool(mark != self._mark)

    def _end_of_transaction(self, sql: str) -> None:
        self._statements.append(Statement(sql, "boundary", {}, transactional=False))

    def _hear_unspoken_end(self) -> None:
        """Records that a revision has ended its transaction without a statement, after its last one."""
        if not commits_now(self._connection) and self._has_left_transaction():
            self._end_of_transaction("-- the transaction was ended")
            self._set_mark()

    def _hear(self, connection: Connection, _cursor: Any, sent: str, parameters: Any, context: Any, *_: Any) -> None:
        sql = without_marks(sent, context)
        if self._looking:
            return
        self.sent.append(sql.strip())
        if self.script is None or self._is_of_alembic(sql):
            return
        if connection is not self._connection:
            self._hear_elsewhere(connection, sql)
            return
        parts = [(first_word(part), read_statement(part)) for part in split(sql)]
        left = not commits_now(connection) and self._has_left_transaction()
        if left:
            ends = any(part.ends_transaction for _, part in parts)
            self._end_of_transaction(sql.strip() if ends else "-- the transaction was ended")
            self._set_mark()
        if len(parts) == 1 and parts[0][0] in ("SAVEPOINT", "ROLLBACK") and not left:
            self._hear_of_savepoint(parts[0][0], names_in(sql)[-1])
        if all(word in _NO_STEP or part.ends_transaction for word, part in parts):
            return
        touched = self._touched()
        is_query = len(parts) == 1 and parts[0][0] in QUERIES
        with self._unheard():
            after = self._look(connection)
            effects = _effects(self.before, after)
            self.before = after
            query = Query.asked(connection, sent, parameters) if is_query else None
        if query is not None:
            kind = query.kind(sql, effects, functions=functions_in(after), touched=touched)
        else:
            kind = kind_of(sql, effects, touched=touched)
        if kind is not None:
            alone = commits_now(connection) or left
            tables = query.tables if query is not None and kind == "read" else ()
            self._statements.append(Statement(sql.strip(), kind, effects, transactional=not alone, tables=tables))

    def _hear_of_savepoint(self, word: str, name: str) -> None:
        """What is rolled back to a savepoint isn't an effect of the revision, but counts as read."""
        if word == "SAVEPOINT":
            self._savepoints[name] = len(self._statements)
        elif (begun := self._savepoints.get(name)) is not None:
            self._statements[begun:] = [item for item in self._statements[begun:] if item.kind == "read"]
            with self._unheard():
                self.before = self._look(self._connection)
            self._touched()

    def _is_of_alembic(self, sql: str) -> bool:
        """Whether a statement is about the version table."""
        name = self._versions.name
        return name in sql and any(
            unquoted(token) == name for token in significant(sql) if token.kind in ("word", "quoted")
        )

    def _hear_elsewhere(self, connection: Connection, sql: str) -> None:
        """Records statements on a connection of the revision's own, which commits separately."""
        with self._unheard():
            effects = _effects(self._before_elsewhere, self._look(connection))
        statement = Statement(sql.strip(), kind_of(sql, effects), effects, transactional=False)
        if effects or statement.kind != "neutral":
            self._statements.append(statement)
        schema = dict(self.before)
        play(schema, statement)
        self.before = schema


def parents_of(script: Script) -> tuple[str, ...]:
    return (*_ids(script.down_revision), *_ids(script.dependencies))


def _ids(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _in_settled_order(statements: Iterable[Statement]) -> Iterator[Statement]:
    """The statements, with adjacent ones that create indexes sorted by their text.

    SQLAlchemy keeps a table's indexes in a set, so their order differs between recordings without a meaning.
    """
    for making_indexes, run in groupby(statements, key=makes_index):
        neighbours = list(run)
        if making_indexes:
            neighbours.sort(key=lambda statement: statement.sql)
        yield from neighbours


def without_marks(sent: str, context: Any) -> str:
    """The SQL that reaches the server: some drivers need percent signs doubled where there may be parameters."""
    marked = context.dialect.paramstyle in ("format", "pyformat") and not context.no_parameters
    return sent.replace("%%", "%") if marked else sent


def _effects(before: Schema, after: Schema) -> dict[Key, Effect]:
    changed = [key for key in after if before.get(key) != after[key]] + [key for key in before if key not in after]
    return {key: Effect(before.get(key), after.get(key)) for key in changed}
