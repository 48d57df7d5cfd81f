"""record: a chain of revisions -> its tape, by replaying it statement by statement on an empty database."""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from reconcile.environment import migration_context, upgrade
from reconcile.errors import ReconcileError
from reconcile.failure import message_of
from reconcile.observe import VersionTable, observe
from reconcile.schema import Schema, kind_of, last_part, name_of, tables_in
from reconcile.split import split
from reconcile.tape import Effect, Kind, Revision, Statement, Tape, file_hash, makes_index, source_hash

_log = logging.getLogger(__name__)
_COMMENT = re.compile(r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*", re.DOTALL)
_WORD = re.compile(r"\w+")
_MOVES_ROWS = {"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE", "WITH"}
_MAY_DO_ANYTHING = {"DO", "CALL", "SELECT", "EXECUTE", "REFRESH"}
_NO_STEP = {"SHOW", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "EXPLAIN", "LOCK"}
_COPIES_ROWS = re.compile(
    r"\s*CREATE\s+(?:\w+\s+)*(?:TABLE|MATERIALIZED\s+VIEW)\b.*?\bAS\b\s*\(?\s*(?:SELECT|WITH)",
    re.IGNORECASE | re.DOTALL,
)


class RevisionFailed(ReconcileError):
    """A revision doesn't run on PostgreSQL, whoever runs it; what is before it can be recorded without it."""

    def __init__(self, revision: str, reason: str, *, before: tuple[str, ...]) -> None:
        part = f"; what is before it can be recorded: python -m reconcile record --to {before[0]}" if before else ""
        super().__init__(f"Revision {revision} fails on an empty database, {reason}{part}.")
        self.revision = revision
        self.reason = reason
        self.before = before


def record(config: Config, connection: Connection, *, base: str = "", until: str | None = None) -> Tape:
    """Replays the chain from its base to its head, or to `until`; the database is one that may be thrown away.

    It must hold nothing of the chain yet: a revision that finds its objects there would have no effect on record.
    `base` is SQL that makes what has to be there before the first revision.

    Raises:
        RevisionFailed: a revision doesn't run.
    """
    scripts = ScriptDirectory.from_config(config)
    versions, schema = _version_table(config, connection)
    for statement in filter(first_word, split(base)):
        connection.exec_driver_sql(statement)
    connection.commit()
    recorder = _Recorder(versions, schema)
    revisions = []
    chain = list(reversed(list(scripts.walk_revisions(head=until or "heads"))))
    for number, script in enumerate(chain, start=1):
        _log.info("%d of %d: revision %s", number, len(chain), script.revision)
        try:
            with recorder.listening(connection):
                upgrade(config, script.revision, connection, scripts=scripts)
        except SQLAlchemyError as error:
            raise RevisionFailed(script.revision, _reason(error), before=_parents(script)) from error
        revisions.append(_revision(script, recorder))
    major = connection.scalar(text("SELECT current_setting('server_version_num')::int / 10000"))
    return Tape(tuple(revisions), schema=schema, versions=versions, postgresql=str(major), until=until)


def _reason(error: SQLAlchemyError) -> str:
    """What PostgreSQL said; or why SQLAlchemy had no statement to send it."""
    return f"PostgreSQL says: {message_of(error)}" if isinstance(error, DBAPIError) else str(error).splitlines()[0]


def _version_table(config: Config, connection: Connection) -> tuple[VersionTable, str]:
    """Where the project's env.py tells Alembic to keep the version, and the schema that its names lie in."""
    context = migration_context(config, connection)
    schema: str = connection.scalar(text("SELECT current_schema()")) or "public"
    connection.commit()
    return VersionTable(context.version_table, context.version_table_schema or schema), schema


def _revision(script: Script, recorder: "_Recorder") -> Revision:
    return Revision(
        id=script.revision,
        parents=_parents(script),
        source=source_hash(Path(script.path)),
        file=file_hash(Path(script.path)),
        statements=tuple(_settled(recorder.statements)),
        reads=recorder.reads,
        replay_safe=bool(getattr(script.module, "replay_safe", False)),
        verifies=hasattr(script.module, "verify"),
    )


def _parents(script: Script) -> tuple[str, ...]:
    return (*_ids(script.down_revision), *_ids(script.dependencies))


def _settled(statements: Iterable[Statement]) -> Iterator[Statement]:
    """The statements, neighbours that each make an index in the order of their text.

    SQLAlchemy keeps a table's indexes in a set: their order differs between two recordings, and matters to nobody.
    """
    for making_indexes, run in groupby(statements, key=makes_index):
        neighbours = list(run)
        if making_indexes:
            neighbours.sort(key=lambda statement: statement.sql)
        yield from neighbours


def _ids(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


class _Recorder:
    """Looks at the schema after each statement of a revision, through a connection or the engine's events."""

    def __init__(self, versions: VersionTable, schema: str) -> None:
        self._versions = versions
        self._schema = schema
        self._before: Schema = {}
        self._looking = False
        self.statements: list[Statement] = []
        self.reads = False

    @contextmanager
    def listening(self, connection: Connection) -> Iterator[None]:
        self.statements, self.reads = [], False
        self._before = self._look(connection)
        if connection.in_transaction():
            connection.commit()
        engine: Engine = connection.engine
        event.listen(engine, "after_cursor_execute", self._listen)
        try:
            yield
        finally:
            event.remove(engine, "after_cursor_execute", self._listen)

    def _look(self, connection: Connection) -> Schema:
        """The search path that `observe` pins is put back: the revisions may have chosen one."""
        path = connection.scalar(text("SELECT current_setting('search_path')"))
        schema = observe(connection, versions=self._versions, schema=self._schema).schema
        connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": path})
        return schema

    def _listen(self, connection: Connection, _cursor: Any, sql: str, *_: Any) -> None:
        word = first_word(sql)
        if self._looking or word in _NO_STEP or self._versions.name in sql:
            return
        if word in ("SELECT", "WITH") and self._reads_user_table(sql):
            self.reads = True
        self._looking = True
        try:
            after = self._look(connection)
        finally:
            self._looking = False
        effects = _effects(self._before, after)
        self._before = after
        if (word == "SET" or (word == "SELECT" and not self._calls_user_function(sql))) and not effects:
            return
        alone = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        self.statements.append(
            Statement(sql.strip(), kind_of_statement(sql, effects), effects, transactional=not alone)
        )

    def _calls_user_function(self, sql: str) -> bool:
        """What it does then, nobody here knows; `setval` moves a sequence."""
        words = {word.lower() for word in _WORD.findall(sql)}
        functions = {name_of(key).partition("(")[0] for key in self._before if kind_of(key) == "function"}
        return any(last_part(name).strip('"').lower() in words for name in functions | {"setval"})

    def _reads_user_table(self, sql: str) -> bool:
        words = {word.lower() for word in _WORD.findall(sql)}
        return any(name.split(".")[-1].strip('"').lower() in words for name in tables_in(self._before))


def _effects(before: Schema, after: Schema) -> dict[str, Effect]:
    changed = [key for key in after if before.get(key) != after[key]] + [key for key in before if key not in after]
    return {key: Effect(before.get(key), after.get(key)) for key in changed}


def first_word(sql: str) -> str:
    """A statement's first word in capitals, behind comments."""
    rest = sql[_COMMENT.match(sql).end() :]  # type: ignore[union-attr]  # the pattern matches anything
    match = _WORD.search(rest)
    return match[0].upper() if match else ""


def kind_of_statement(sql: str, effects: dict[str, Effect]) -> Kind:
    """What a statement is, from its first word and its effects; of several in one text, all that they may do."""
    parts = split(sql)
    if any(first_word(part) in _MAY_DO_ANYTHING or _COPIES_ROWS.match(part) for part in parts):
        return "opaque"
    if any(first_word(part) in _MOVES_ROWS for part in parts):
        return "opaque" if len(parts) > 1 else "data"
    if not effects:
        return "neutral"
    return "additive" if all(effect.before is None for effect in effects.values()) else "destructive"
