"""record: a chain of revisions -> its tape, by replaying it statement by statement on an empty database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text

from reconcile.observe import VersionTable, observe
from reconcile.schema import Schema
from reconcile.tape import Effect, Kind, Revision, Statement, Tape, source_hash

_READS = re.compile(r"\s*(SELECT|SHOW|SET|SAVEPOINT|RELEASE|EXPLAIN)\b", re.IGNORECASE)


def record(config: Config, connection: Connection, *, versions: VersionTable | None = None) -> Tape:
    """Replays the chain from its base to its head in the connection's transaction, which the caller rolls back.

    The database must hold nothing yet: a revision that finds its objects there would have no effect on record.
    """
    versions = versions or VersionTable()
    scripts = ScriptDirectory.from_config(config)
    revisions = []
    config.attributes["connection"] = connection
    for script in reversed(list(scripts.walk_revisions())):
        with _recording(connection, versions) as statements:
            command.upgrade(config, script.revision)
        parent = script.down_revision
        revisions.append(
            Revision(
                id=script.revision,
                parent=parent if isinstance(parent, str) else None,
                source=source_hash(Path(script.path)),
                statements=tuple(statements),
            )
        )
    major = connection.scalar(text("SELECT current_setting('server_version_num')::int / 10000"))
    return Tape(revisions=tuple(revisions), versions=versions, postgresql=str(major))


@contextmanager
def _recording(connection: Connection, versions: VersionTable) -> Iterator[list[Statement]]:
    statements: list[Statement] = []
    before: Schema = observe(connection, versions=versions).schema
    looking = False

    def listen(_connection: Connection, _cursor: Any, sql: str, *_: Any) -> None:
        nonlocal before, looking
        if looking or versions.name in sql or _READS.match(sql):
            return
        looking = True
        after = observe(connection, versions=versions).schema
        looking = False
        statements.append(_statement(sql, before, after))
        before = after

    event.listen(connection, "after_cursor_execute", listen)
    try:
        yield statements
    finally:
        event.remove(connection, "after_cursor_execute", listen)


def _statement(sql: str, before: Schema, after: Schema) -> Statement:
    changed = [key for key in after if before.get(key) != after[key]] + [key for key in before if key not in after]
    effects = {key: Effect(before.get(key), after.get(key)) for key in changed}
    return Statement(sql=sql.strip(), kind=_kind(effects), effects=effects)


def _kind(effects: dict[str, Effect]) -> Kind:
    if not effects:
        return "data"
    return "additive" if all(effect.before is None for effect in effects.values()) else "destructive"
