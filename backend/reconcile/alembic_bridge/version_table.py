"""The version table, with room for ids that are longer than Alembic's own column."""

from collections.abc import Iterable

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from ..observation.observe import VersionTable

ALEMBIC_LENGTH = 32  # of version_num in the table that Alembic creates


def widening(versions: VersionTable, ids: Iterable[str], *, length: int | None = ALEMBIC_LENGTH) -> str | None:
    """The statement that lets the version table hold the longest of some ids; None where they fit."""
    longest = max(map(len, ids), default=0)
    if length is None or longest <= length:
        return None
    return f"ALTER TABLE {versions.qualified} ALTER COLUMN version_num TYPE character varying({longest})"


def make_room_for_ids(connection: Connection, versions: VersionTable, ids: Iterable[str]) -> None:
    """Creates the version table before Alembic would, where the ids wouldn't fit into Alembic's own."""
    statement = widening(versions, ids)
    if statement is None:
        return
    ensure_version_table(connection, versions)
    connection.execute(text(statement))


def ensure_version_table(connection: Connection, versions: VersionTable, *, purge: bool = False) -> MigrationContext:
    """The context of the version table, which is created if it is missing."""
    options = {"version_table": versions.name, "version_table_schema": versions.schema}
    context = MigrationContext.configure(connection, opts=options)
    context._ensure_version_table(purge=purge)  # noqa: SLF001 - what `alembic stamp --purge` does
    return context
