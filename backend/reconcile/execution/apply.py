"""Runs the steps of a plan, without decisions of its own."""

from collections.abc import Iterable

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from ..alembic_bridge.environment import migration_context, upgrade
from ..alembic_bridge.own_connection import as_the_project_does
from ..alembic_bridge.version_table import ensure_version_table
from ..observation.observe import Observation, VersionTable
from ..planning.steps import BuildBeside, Commit, Execute, Resume, Stamp, Step, Upgrade, UpgradeAlone
from ..tape.project import Project
from .resume import resume

LOCK_TIMEOUT = "500ms"
_AS_IT_STANDS = {"no_parameters": True}  # drivers leave percent signs alone
_CHECK_NOW = text("SET CONSTRAINTS ALL IMMEDIATE")  # ALTER TABLE refuses a table with pending checks
_ROLE = text("SELECT pg_catalog.current_setting('role')")
_SET_ROLE = text("SELECT pg_catalog.set_config('role', :role, false)")
_SET_PATH = text("SELECT pg_catalog.set_config('search_path', :path, :local)")


def apply(steps: Iterable[Step], connection: Connection, project: Project, observation: Observation) -> None:
    """Runs steps in the caller's transaction. Locks are waited for only briefly, so that others don't queue behind.

    Statements from the tape run with the search path of the observation, the project's own code with its own.
    """
    role = connection.scalar(_ROLE)
    migration_context(project.config, connection)  # for settings of env.py, such as the owner of new objects
    own_path = {"path": observation.given_path, "local": True}
    connection.execute(_SET_PATH, own_path)
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    for step in steps:
        match step:
            case Execute(sql):
                connection.execute(_CHECK_NOW)
                connection.execute(_SET_PATH, {"path": observation.path, "local": True})
                connection.exec_driver_sql(sql, execution_options=_AS_IT_STANDS)
                connection.execute(_SET_PATH, own_path)
            case Stamp(revisions):
                stamp(connection, revisions, project, observation.versions)
            case Upgrade(revision):
                upgrade(project.config, revision, connection, enums=_remembered(observation, project))
            case Resume(revision, done):
                _resume(revision, done, connection, project, observation)
            case BuildBeside() | UpgradeAlone() | Commit():
                raise TypeError(step)
    connection.execute(_SET_ROLE, {"role": role})


def apply_alone(step: Step, connection: Connection, project: Project, observation: Observation) -> None:
    """Runs a step that can't run in a transaction, on a connection that isn't in one."""
    match step:
        case BuildBeside(sql):
            outside = connection.execution_options(isolation_level="AUTOCOMMIT")
            outside.execute(_SET_PATH, {"path": observation.path, "local": False})
            outside.exec_driver_sql(sql, execution_options=_AS_IT_STANDS)
        case UpgradeAlone(revision):
            upgrade(project.config, revision, as_the_project_does(connection), enums=_remembered(observation, project))
        case Resume(revision, done):
            _resume(revision, done, as_the_project_does(connection), project, observation)
        case _:
            raise TypeError(step)


def _resume(
    revision: str, done: tuple[int, ...], connection: Connection, project: Project, observation: Observation
) -> None:
    enums = _remembered(observation, project)
    resume(project.config, project.tape.by_id[revision], connection, done=done, enums=enums)


def _remembered(observation: Observation, project: Project) -> frozenset[str]:
    """The enum types that SQLAlchemy would remember in one run of the whole chain."""
    return project.tape.lasting_enums.intersection(observation.enums)


def stamp(connection: Connection, revisions: tuple[str, ...], project: Project, versions: VersionTable) -> None:
    """Makes `revisions` the only rows of the version table, which is created if it is missing."""
    context = ensure_version_table(connection, versions, purge=True)
    if revisions:
        context.stamp(ScriptDirectory.from_config(project.config), revisions)  # type: ignore[arg-type]  # it takes both
