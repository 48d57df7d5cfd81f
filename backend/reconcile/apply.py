"""apply: runs the steps of a plan, and adds no decisions."""

from collections.abc import Iterable

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from reconcile.environment import upgrade
from reconcile.observe import VersionTable
from reconcile.project import Project
from reconcile.steps import BuildBeside, Execute, Stamp, Step, Upgrade, UpgradeAlone

LOCK_TIMEOUT = "500ms"


def apply(steps: Iterable[Step], connection: Connection, project: Project) -> None:
    """Runs steps in the caller's transaction. A busy table is waited for only briefly: nobody queues behind it."""
    path = connection.scalar(text("SELECT current_setting('search_path')"))
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # ALTER TABLE refuses a table with pending checks
    for step in steps:
        match step:
            case Execute(sql):
                connection.execute(
                    text("SELECT set_config('search_path', quote_ident(:schema), true)"),
                    {"schema": project.tape.schema},
                )
                connection.exec_driver_sql(sql)
                connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": path})
            case Stamp(revisions):
                stamp(connection, revisions, project)
            case Upgrade(revision):
                upgrade(project.config, revision, connection)
            case BuildBeside() | UpgradeAlone():
                raise TypeError(step)


def apply_alone(step: BuildBeside | UpgradeAlone, connection: Connection, project: Project) -> None:
    """Runs a step that can't run in a transaction, on a connection that isn't in one."""
    match step:
        case BuildBeside(sql):
            outside = connection.execution_options(isolation_level="AUTOCOMMIT")
            outside.execute(
                text("SELECT set_config('search_path', quote_ident(:schema), false)"), {"schema": project.tape.schema}
            )
            outside.exec_driver_sql(sql)
        case UpgradeAlone(revision):
            upgrade(project.config, revision, connection)


def stamp(connection: Connection, revisions: tuple[str, ...], project: Project) -> None:
    """Makes `revisions` the only rows of the version table, which is made where there is none."""
    versions = project.tape.versions
    context = MigrationContext.configure(
        connection, opts={"version_table": versions.name, "version_table_schema": _schema_option(versions)}
    )
    context._ensure_version_table(purge=True)  # noqa: SLF001 - what `alembic stamp --purge` does
    if revisions:
        context.stamp(ScriptDirectory.from_config(project.config), revisions)  # type: ignore[arg-type]  # it takes both


def _schema_option(versions: VersionTable) -> str | None:
    """Alembic's own spelling: no schema means the search path, on which ours stands first."""
    return None if versions.schema == "public" else versions.schema
