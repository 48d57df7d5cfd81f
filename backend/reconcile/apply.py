"""apply: runs a plan's steps in the caller's transaction, and adds no decisions."""

from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from reconcile.observe import VersionTable
from reconcile.plan import Execute, Plan, Stamp, Step, Upgrade
from reconcile.project import Project

LOCK_TIMEOUT = "500ms"


def apply(plan: Plan, connection: Connection, project: Project) -> None:
    """Runs the steps in order. A statement waits for a busy table only briefly, so that nobody queues behind it."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # ALTER TABLE refuses a table with pending checks
    for step in plan.steps:
        run(step, connection, project)


def run(step: Step, connection: Connection, project: Project) -> None:
    """Runs one step."""
    match step:
        case Execute(sql):
            connection.exec_driver_sql(sql)
        case Stamp(revisions):
            stamp(connection, revisions, project)
        case Upgrade(revision):
            project.config.attributes["connection"] = connection
            try:
                command.upgrade(project.config, revision)
            finally:
                del project.config.attributes["connection"]


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
