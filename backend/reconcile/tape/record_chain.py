"""Records the tape of a chain by playing it on an empty database, as `alembic upgrade head` does.

The recorder (statement_recorder.py) observes what each statement does.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..alembic_bridge.environment import RevisionRaised, migration_context, upgrade
from ..alembic_bridge.version_table import make_room_for_ids
from ..command_line import APPLICATION, command, project_options
from ..observation.observe import VersionTable, observe
from ..schema.errors import ReconcileError
from ..schema.postgres_errors import message_of, sqlstate_of
from ..sql.split import first_word, split, without_meta_commands
from .statement_recorder import SCHEMA, Recorder, parents_of, without_marks
from .tape import Tape
from .varying import left_open

_OWNERSHIP = re.compile(r"(?:GRANT|REVOKE|ALTER\b.*\bOWNER\s+TO|ALTER\s+DEFAULT\s+PRIVILEGES)\b", re.IGNORECASE)
_ROLES = text("SELECT pg_catalog.quote_ident(r.rolname::text) FROM pg_catalog.pg_roles r")
_UNWATCHED = text((Path(__file__).parent / "unwatched.sql").read_text(encoding="utf-8"))
_UNDEFINED_TABLE = "42P01"
_NOT_IN_A_TRANSACTION = ("25001", "55P04")  # as for CREATE INDEX CONCURRENTLY, or an enum's uncommitted label


class RevisionFailed(ReconcileError):
    """A revision doesn't run on an empty PostgreSQL database; the ones before it can be recorded alone."""

    def __init__(self, revision: str, reason: str, *, before: tuple[str, ...], sqlstate: str | None = None) -> None:
        ways = []
        if sqlstate == _UNDEFINED_TABLE:
            ways.append(f"; a file of SQL may make what it needs: {command('record', '--base', 'FILE')}")
        if before:
            ways.append(f"; what is before it can be recorded: {command('record', '--to', before[0])}")
        super().__init__(f"Revision {revision} fails on an empty database, {reason}{''.join(ways)}.")
        self.revision = revision
        self.reason = reason
        self.before = before
        self.for_its_transaction = sqlstate in _NOT_IN_A_TRANSACTION


class SchemaMissing(ReconcileError):
    """The version table's schema is missing in an empty database; no revision can run before it exists."""

    def __init__(self, schema: str) -> None:
        super().__init__(
            f"There is no schema {schema} on an empty database, and Alembic needs it before the first revision: give"
            " record a file that makes it, --base FILE with CREATE SCHEMA in it"
        )
        self.schema = schema


class BaseFailed(ReconcileError):
    """The SQL of the base, which has to run before the first revision, fails."""

    def __init__(self, statement: str, error: DBAPIError) -> None:
        super().__init__(f"The file of --base can't be loaded: {message_of(error)}, at: {' '.join(statement.split())}")


@dataclass(frozen=True)
class RecordedChain:
    """A tape, and all statements that were sent while the chain was played."""

    tape: Tape
    sent: tuple[str, ...]


def record(config: Config, connection: Connection, *, base: str = "", until: str | None = None) -> RecordedChain:
    """Plays the chain from its base to its head, or to `until`, in a scratch database.

    It must have no objects of the chain: a revision whose objects exist would have no recorded effect. `base` is SQL
    for the objects that the first revision needs, as `pg_dump --schema-only` writes it.

    Raises:
        RevisionFailed: a revision doesn't run.
        BaseFailed: `base` doesn't run.
        SchemaMissing: neither `base` nor anything else makes the schema where Alembic keeps its version.
    """
    scripts = ScriptDirectory.from_config(config)
    versions, schema = _prepared(config, connection, scripts, base=base)
    unwatched_before = set(connection.scalars(_UNWATCHED))
    recorder = Recorder(connection, versions, schema, total=len(list(scripts.walk_revisions(head=until or "heads"))))
    found_at_base = recorder.before if base else {}
    with _taking_away_roles(connection, recorder.sent), recorder.listening():
        try:
            upgrade(config, until or "heads", connection, scripts=scripts, watch=recorder.watch)
        except (SQLAlchemyError, RevisionRaised) as error:
            script = recorder.script
            if script is None:
                raise
            state = sqlstate_of(error) if isinstance(error, DBAPIError) else None
            raise RevisionFailed(script.revision, _reason(error), before=parents_of(script), sqlstate=state) from error
    major = connection.scalar(text("SELECT pg_catalog.current_setting('server_version_num')::int / 10000"))
    tape = Tape(
        tuple(recorder.revisions),
        schema=schema,
        versions=versions,
        postgresql=str(major),
        until=until,
        base=found_at_base,
        unwatched=tuple(name for name in connection.scalars(_UNWATCHED) if name not in unwatched_before),
    )
    return RecordedChain(tape, tuple(recorder.sent))


def play_again(config: Config, connection: Connection, recording: RecordedChain, *, base: str = "") -> Tape:
    """Plays a recorded chain in another empty database; differences are left open on the tape.

    It is played without an observation after each statement, which takes a fraction of a recording's time.
    """
    scripts, tape, sent = ScriptDirectory.from_config(config), recording.tape, list[str]()

    def hear(_connection: Connection, _cursor: Any, sql: str, _parameters: Any, context: Any, *_: Any) -> None:
        sent.append(without_marks(sql, context).strip())

    versions, schema = _prepared(config, connection, scripts, base=base)
    with _taking_away_roles(connection, sent):
        event.listen(connection.engine, "after_cursor_execute", hear)
        try:
            upgrade(config, tape.until or "heads", connection, scripts=scripts)
        finally:
            event.remove(connection.engine, "after_cursor_execute", hear)
    end = observe(connection, versions=versions, schema=schema or connection.scalar(SCHEMA)).schema
    connection.commit()
    return left_open(tape, sent=recording.sent, sent_again=sent, end_again=end)


def _prepared(
    config: Config, connection: Connection, scripts: ScriptDirectory, *, base: str
) -> tuple[VersionTable, str | None]:
    """Creates the objects of the base; returns the version table and the schema of the project's names."""
    load_base(base, connection)
    versions, schema = _version_table(config, connection)
    _require_schema(versions, connection)
    make_room_for_ids(connection, versions, [script.revision for script in scripts.walk_revisions()])
    connection.commit()
    return versions, schema


@contextmanager
def _taking_away_roles(connection: Connection, sent: Collection[str]) -> Iterator[None]:
    """Drops the roles that the chain has created: roles belong to the server, not to the scratch database."""
    before = set(connection.scalars(_ROLES))
    connection.commit()
    try:
        yield
    finally:
        if not connection.in_transaction():
            made = [
                role for role in connection.scalars(_ROLES) if role not in before and any(role in sql for sql in sent)
            ]
            for role in made:
                connection.exec_driver_sql(f"DROP OWNED BY {role}")
                connection.exec_driver_sql(f"DROP ROLE {role}")
            connection.commit()


def load_base(base: str, connection: Connection) -> None:
    """Runs the SQL of the base without owners and privileges, whose roles may be missing here."""
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
    """PostgreSQL's message, or that of the revision's code, or of SQLAlchemy where it sent no statement."""
    if isinstance(error, DBAPIError):
        return f"PostgreSQL says: {message_of(error)}"
    said = str(error).splitlines()[0]
    if isinstance(error, RevisionRaised) and APPLICATION not in project_options.get():
        return f"{said}; if it needs its application, name what makes that: {APPLICATION} module:name"
    return said


def _version_table(config: Config, connection: Connection) -> tuple[VersionTable, str | None]:
    """The version table that env.py configures, and the schema that it sets for the project's names."""
    before = connection.scalar(SCHEMA)
    context = migration_context(config, connection)
    after = connection.scalar(SCHEMA)
    connection.commit()
    return VersionTable(context.version_table, context.version_table_schema), after if after != before else None


def _require_schema(versions: VersionTable, connection: Connection) -> None:
    chosen, path, exists = connection.execute(
        text(
            "SELECT coalesce(CAST(:schema AS text), CAST(pg_catalog.current_schema() AS text)),"
            " pg_catalog.current_setting('search_path'),"
            " EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = CAST(:schema AS text))"
        ),
        {"schema": versions.schema},
    ).one()
    connection.commit()
    if chosen is None or (versions.schema and not exists):
        raise SchemaMissing(versions.schema or path)
