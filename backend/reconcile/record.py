"""record: a chain of revisions -> its tape, by playing it on an empty database, as `alembic upgrade head` does.

Between its statements the recorder looks at what each did to the schema, whether the server still is in the same
transaction, and which user tables a query reads: all of that is asked of PostgreSQL, none of it of the statement.
"""

import json
import logging
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from reconcile.environment import RevisionRaised, migration_context, upgrade
from reconcile.errors import ReconcileError
from reconcile.failure import message_of, sqlstate_of
from reconcile.observe import VersionTable, observe
from reconcile.schema import Key, Schema
from reconcile.sql.names import names_in, unquoted
from reconcile.sql.split import first_word, split, without_meta_commands
from reconcile.sql.statements import read_statement
from reconcile.sql.tokens import significant
from reconcile.tape import Effect, Kind, Revision, Statement, Tape, file_hash, makes_index, play, source_hash
from reconcile.version_table import make_room_for_ids

_log = logging.getLogger(__name__)
_QUERIES = {"SELECT", "WITH", "VALUES", "TABLE"}
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
_OWNERSHIP = re.compile(r"(?:GRANT|REVOKE|ALTER\b.*\bOWNER\s+TO|ALTER\s+DEFAULT\s+PRIVILEGES)\b", re.IGNORECASE)
# Of what is committed the counts reach the shared ones later, unless they are sent for (PostgreSQL 15).
_FLUSH = text("SELECT pg_catalog.pg_stat_force_next_flush()")
_COUNTS, _COUNTS_OF_COMMITTED = (
    text(
        "SELECT pg_catalog.format('%I.%I'::text, t.schemaname, t.relname),"  # noqa: S608 - two words of ours
        " coalesce(t.seq_scan, 0) + coalesce(t.idx_scan, 0), t.n_tup_ins + t.n_tup_upd + t.n_tup_del"
        f" FROM pg_catalog.{view} t WHERE t.relname <> CAST(:versions AS text)"
    )
    for view in ("pg_stat_xact_user_tables", "pg_stat_user_tables")
)
_SCHEMA = text("SELECT pg_catalog.current_schema()")
_ROLES = text("SELECT pg_catalog.quote_ident(r.rolname::text) FROM pg_catalog.pg_roles r")
_UNWATCHED = text((Path(__file__).parent / "unwatched.sql").read_text(encoding="utf-8"))
_NOT_IN_A_TRANSACTION = ("25001", "55P04")  # CREATE INDEX CONCURRENTLY, say, or an enum's new label before a commit
_MARK = "reconcile.transaction"  # set for a transaction only: where it is gone, the transaction has ended


class RevisionFailed(ReconcileError):
    """A revision doesn't run on PostgreSQL, whoever runs it; what is before it can be recorded without it."""

    def __init__(
        self, revision: str, reason: str, *, before: tuple[str, ...], for_its_transaction: bool = False
    ) -> None:
        part = f"; what is before it can be recorded: python -m reconcile record --to {before[0]}" if before else ""
        super().__init__(f"Revision {revision} fails on an empty database, {reason}{part}.")
        self.revision = revision
        self.reason = reason
        self.before = before
        self.for_its_transaction = for_its_transaction


class SchemaMissing(ReconcileError):
    """Alembic keeps its version in a schema that an empty database doesn't have; no revision runs before that."""

    def __init__(self, schema: str) -> None:
        super().__init__(
            f"There is no schema {schema} on an empty database, and Alembic needs it before the first revision: give"
            " record a file that makes it, --base FILE with CREATE SCHEMA in it"
        )
        self.schema = schema


class BaseFailed(ReconcileError):
    """What has to be there before the first revision can't be made."""

    def __init__(self, statement: str, error: DBAPIError) -> None:
        super().__init__(f"The file of --base can't be loaded: {message_of(error)}, at: {' '.join(statement.split())}")


def record(config: Config, connection: Connection, *, base: str = "", until: str | None = None) -> Tape:
    """Plays the chain from its base to its head, or to `until`; the database is one that may be thrown away.

    It must hold nothing of the chain yet: a revision that finds its objects there would have no effect on record.
    `base` is SQL that makes what has to be there before the first revision, such as `pg_dump --schema-only` writes.

    Raises:
        RevisionFailed: a revision doesn't run.
        BaseFailed: `base` doesn't run.
        SchemaMissing: neither `base` nor anything else makes the schema where Alembic keeps its version.
    """
    scripts = ScriptDirectory.from_config(config)
    _load(base, connection)
    versions, schema = _version_table(config, connection)
    _require_schema(versions, connection)
    make_room_for_ids(connection, versions, [script.revision for script in scripts.walk_revisions()])
    connection.commit()
    unwatched_before = set(connection.scalars(_UNWATCHED))
    recorder = _Recorder(connection, versions, schema, total=len(_chain(scripts, until)))
    found_at_base = recorder.before if base else {}
    with recorder.listening(), _taking_away_roles(connection, recorder):
        try:
            upgrade(config, until or "heads", connection, scripts=scripts, watch=recorder.watch)
        except (SQLAlchemyError, RevisionRaised) as error:
            script = recorder.script
            if script is None:
                raise
            state = sqlstate_of(error) if isinstance(error, DBAPIError) else None
            raise RevisionFailed(
                script.revision,
                _reason(error),
                before=_parents(script),
                for_its_transaction=state in _NOT_IN_A_TRANSACTION,
            ) from error
    major = connection.scalar(text("SELECT pg_catalog.current_setting('server_version_num')::int / 10000"))
    return Tape(
        tuple(recorder.revisions),
        schema=schema,
        versions=versions,
        postgresql=str(major),
        until=until,
        base=found_at_base,
        unwatched=tuple(name for name in connection.scalars(_UNWATCHED) if name not in unwatched_before),
    )


@contextmanager
def _taking_away_roles(connection: Connection, recorder: "_Recorder") -> Iterator[None]:
    """Roles are the whole server's: those that the chain has made don't go with the database it was recorded in."""
    before = set(connection.scalars(_ROLES))
    connection.commit()
    try:
        yield
    finally:
        if not connection.in_transaction():
            made = [role for role in connection.scalars(_ROLES) if role not in before and recorder.names(role)]
            for role in made:
                connection.exec_driver_sql(f"DROP OWNED BY {role}")
                connection.exec_driver_sql(f"DROP ROLE {role}")
            connection.commit()


def _chain(scripts: ScriptDirectory, until: str | None) -> list[Script]:
    return list(scripts.walk_revisions(head=until or "heads"))


def _load(base: str, connection: Connection) -> None:
    """Runs the SQL of the base; who owns what in it, and who may what, is left out: the roles may not be here."""
    path = connection.scalar(text("SELECT pg_catalog.current_setting('search_path')"))
    for statement in split(without_meta_commands(base)):
        if not first_word(statement) or _OWNERSHIP.match(statement) or statement == "CREATE SCHEMA public":
            continue
        try:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        except DBAPIError as error:
            raise BaseFailed(statement, error) from error
    connection.execute(text("SELECT pg_catalog.set_config('search_path', :path, false)"), {"path": path})
    connection.commit()


def _reason(error: SQLAlchemyError | RevisionRaised) -> str:
    """What PostgreSQL said, or the revision's own code, or why SQLAlchemy had no statement to send."""
    if isinstance(error, DBAPIError):
        return f"PostgreSQL says: {message_of(error)}"
    return str(error).splitlines()[0]


def _version_table(config: Config, connection: Connection) -> tuple[VersionTable, str | None]:
    """Where the project's env.py tells Alembic to keep the version, and the schema that it chooses for its names."""
    before = connection.scalar(_SCHEMA)
    context = migration_context(config, connection)
    after = connection.scalar(_SCHEMA)
    connection.commit()
    return VersionTable(context.version_table, context.version_table_schema), after if after != before else None


def _require_schema(versions: VersionTable, connection: Connection) -> None:
    chosen, path, there = connection.execute(
        text(
            "SELECT coalesce(CAST(:schema AS text), CAST(pg_catalog.current_schema() AS text)),"
            " pg_catalog.current_setting('search_path'),"
            " EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = CAST(:schema AS text))"
        ),
        {"schema": versions.schema},
    ).one()
    connection.commit()
    if chosen is None or (versions.schema and not there):
        raise SchemaMissing(versions.schema or path)


def _parents(script: Script) -> tuple[str, ...]:
    return (*_ids(script.down_revision), *_ids(script.dependencies))


def _ids(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _in_settled_order(statements: Iterable[Statement]) -> Iterator[Statement]:
    """The statements, neighbours that each make an index in the order of their text.

    SQLAlchemy keeps a table's indexes in a set: their order differs between two recordings, and matters to nobody.
    """
    for making_indexes, run in groupby(statements, key=makes_index):
        neighbours = list(run)
        if making_indexes:
            neighbours.sort(key=lambda statement: statement.sql)
        yield from neighbours


class _Recorder:
    """Looks at the database after each statement of a revision, through the engine's events."""

    def __init__(self, connection: Connection, versions: VersionTable, schema: str | None, *, total: int) -> None:
        self._connection = connection
        self._versions = versions
        self._schema = schema or connection.scalar(_SCHEMA)  # a revision may choose another for its own names
        self._total = total
        self._looking = False
        self._tells_at_once = (connection.dialect.server_version_info or (0,)) >= (15,)
        self._mark = ""
        self._counted: dict[str, tuple[int, int]] = {}
        self._statements: list[Statement] = []
        self._savepoints: dict[str, int] = {}
        self.revisions: list[Revision] = []
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
        """Has each of Alembic's steps begin and end a revision, and hears where one leaves its transaction."""
        block = context.autocommit_block

        @contextmanager
        def autocommit_block() -> Iterator[None]:
            before = len(self._statements)
            self._hear_what_went_by(self._connection)
            with block():
                self._counted = self._counts()
                yield
                self._hear_what_went_by(self._connection)
            if len(self._statements) == before:  # what it may do for rows, it did for none
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
            parents=_parents(script),
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
        """The search path that `observe` pins is put back: the revisions may have chosen one."""
        observation = observe(connection, versions=self._versions, schema=self._schema)
        connection.execute(
            text("SELECT pg_catalog.set_config('search_path', :path, true)"), {"path": observation.given_path}
        )
        return observation.schema

    def _hear_what_went_by(self, connection: Connection, _cursor: Any = None, sql: str = "", *_: Any) -> None:
        """What the revision's code did to user tables over the driver itself: PostgreSQL counts that, too."""
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
            alone = self._is_autocommit(connection)
            self._statements.append(Statement(sql, kind, {}, transactional=not alone, tables=touched))

    def _touched(self) -> tuple[str, ...]:
        """The user tables that were read or written since this was last asked."""
        before, self._counted = self._counted, self._counts()
        return tuple(table for table, counts in self._counted.items() if counts > before.get(table, (0, 0)))

    def _counts(self) -> dict[str, tuple[int, int]]:
        """How often each user table was scanned, and how many rows were written: in this transaction, or in all."""
        alone = self._is_autocommit(self._connection)
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
        """Where a revision has ended its transaction by other means than a statement, behind its last one."""
        if not self._is_autocommit(self._connection) and self._has_left_transaction():
            self._end_of_transaction("-- the transaction was ended")
            self._set_mark()

    @staticmethod
    def _is_autocommit(connection: Connection) -> bool:
        return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"

    def _hear(self, connection: Connection, _cursor: Any, sent: str, parameters: Any, context: Any, *_: Any) -> None:
        sql = _without_marks(sent, context)
        if self._looking or self.script is None or self._is_of_alembic(sql):
            return
        if connection is not self._connection:
            self._hear_elsewhere(connection, sql)
            return
        parts = [(first_word(part), read_statement(part)) for part in split(sql)]
        left = not self._is_autocommit(connection) and self._has_left_transaction()
        if left:
            ends = any(part.ends_transaction for _, part in parts)
            self._end_of_transaction(sql.strip() if ends else "-- the transaction was ended")
            self._set_mark()
        if len(parts) == 1 and parts[0][0] in ("SAVEPOINT", "ROLLBACK") and not left:
            self._hear_of_savepoint(parts[0][0], names_in(sql)[-1])
        if all(word in _NO_STEP or part.ends_transaction for word, part in parts):
            return
        touched = self._touched()
        is_query = len(parts) == 1 and parts[0][0] in _QUERIES
        with self._unheard():
            after = self._look(connection)
            effects = _effects(self.before, after)
            self.before = after
            query = _Query.asked(connection, sent, parameters) if is_query else None
        if query is not None:
            kind = query.kind(sql, effects, functions=_functions(after), touched=touched)
        else:
            kind = _kind(sql, effects, touched=touched)
        if kind is not None:
            alone = self._is_autocommit(connection) or left
            tables = query.tables if query is not None and kind == "read" else ()
            self._statements.append(Statement(sql.strip(), kind, effects, transactional=not alone, tables=tables))

    def _hear_of_savepoint(self, word: str, name: str) -> None:
        """What is done behind a savepoint, and undone by going back to it, the revision doesn't do; it has read it."""
        if word == "SAVEPOINT":
            self._savepoints[name] = len(self._statements)
        elif (begun := self._savepoints.get(name)) is not None:
            self._statements[begun:] = [item for item in self._statements[begun:] if item.kind == "read"]
            with self._unheard():
                self.before = self._look(self._connection)
            self._touched()

    def names(self, role: str) -> bool:
        """Whether some statement of the chain names a role."""
        return any(role in item.sql for revision in self.revisions for item in revision.statements)

    def _is_of_alembic(self, sql: str) -> bool:
        """Whether it is about the version table."""
        name = self._versions.name
        return name in sql and any(
            unquoted(token) == name for token in significant(sql) if token.kind in ("word", "quoted")
        )

    def _hear_elsewhere(self, connection: Connection, sql: str) -> None:
        """A revision has opened a connection of its own: what it does there is committed by itself."""
        with self._unheard():
            effects = _effects(self._before_elsewhere, self._look(connection))
        statement = Statement(sql.strip(), _kind(sql, effects), effects, transactional=False)
        if effects or statement.kind != "neutral":
            self._statements.append(statement)
        schema = dict(self.before)
        play(schema, statement)
        self.before = schema


def _without_marks(sent: str, context: Any) -> str:
    """The SQL that reaches the server: some drivers have each percent sign doubled, for where parameters may stand."""
    marked = context.dialect.paramstyle in ("format", "pyformat") and not context.no_parameters
    return sent.replace("%%", "%") if marked else sent


class _Query:
    """What PostgreSQL says that a query does, by its plan: which user tables it reads, and whether it moves rows."""

    def __init__(self, plan: Any | None) -> None:
        self._text = json.dumps(plan)
        nodes = list(_nodes(plan))
        self.tables = tuple(sorted({_qualified(node) for node in nodes if _is_user_table(node)}))
        self._tables_by_name = {names_in(table) for table in self.tables}
        self._reads = plan is None or bool(self.tables)
        self._moves_rows = any(node.get("Node Type") == "ModifyTable" for node in nodes)

    @classmethod
    def asked(cls, connection: Connection, sql: str, parameters: Any) -> "_Query":
        """Asks for the plan of a query that has just run; one that can't be explained is taken to read tables."""
        cursor = connection.connection.cursor()
        within = connection.in_transaction() and not _Recorder._is_autocommit(connection)  # noqa: SLF001
        try:
            if within:
                cursor.execute("SAVEPOINT reconcile_explain")
            try:
                cursor.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {sql}", parameters)
                (plan,) = cursor.fetchone() or (None,)
            except Exception:  # noqa: BLE001 - a driver's own error, and each driver has its own
                plan = None
            if within:
                cursor.execute("ROLLBACK TO SAVEPOINT reconcile_explain")
        finally:
            cursor.close()
        return cls(json.loads(plan) if isinstance(plan, str) else plan)

    def kind(
        self, sql: str, effects: dict[Key, Effect], *, functions: frozenset[str], touched: Collection[str]
    ) -> Kind | None:
        if read_statement(sql).copies_rows or any(f"{name}(" in self._text for name in functions):
            return "opaque"
        if self._moves_rows:
            return "data"
        if not self._tables_by_name.issuperset(map(names_in, touched)):
            return "opaque"  # a function that isn't watched has done it
        if effects:
            return _kind(sql, effects)
        return "read" if self._reads else None


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        yield plan
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from _nodes(part)


def _is_user_table(node: dict[str, Any]) -> bool:
    schema = node.get("Schema", "")
    return "Relation Name" in node and not schema.startswith("pg_") and schema != "information_schema"


def _qualified(node: dict[str, Any]) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in (node["Schema"], node["Relation Name"]))


def _functions(schema: Schema) -> frozenset[str]:
    """The functions that the chain has made: what they do, nobody here knows; `setval` moves a sequence."""
    return frozenset(key.name.partition("(")[0] for key in schema if key.kind == "function") | {"setval"}


def _effects(before: Schema, after: Schema) -> dict[Key, Effect]:
    changed = [key for key in after if before.get(key) != after[key]] + [key for key in before if key not in after]
    return {key: Effect(before.get(key), after.get(key)) for key in changed}


def _kind(sql: str, effects: dict[Key, Effect], *, touched: Collection[str] = ()) -> Kind:
    """What a statement is, from its verbs and its effects; of several in one text, all that they may do.

    `touched` are the tables whose rows it read or wrote: of a query among several nobody knows the plan.
    """
    texts = split(sql)
    parts = [read_statement(part) for part in texts]
    if any(part.may_do_anything or part.copies_rows for part in parts):
        return "opaque"
    if touched and any(first_word(part) in _QUERIES for part in texts):
        return "opaque"
    if any(part.moves_rows for part in parts):
        return "opaque" if len(parts) > 1 else "data"
    if not effects:
        return "neutral"
    return "additive" if all(effect.before is None for effect in effects.values()) else "destructive"
