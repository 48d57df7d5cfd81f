"""How Pegasus uses reconcile: on its own database, by its own settings, with its own errors.

Two chains make that database: that of `audio_files`, and that of our own schema, which is healed after it.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import structlog
from sqlalchemy import Connection

from core.database.engine import explained, migration_address, open_single_use_engine
from core.database.pgqueuer_setup import prepare_queue
from core.database.system_tables import SCHEMA as SYSTEM_SCHEMA
from core.errors import PegasusError, PrivilegeMissing
from core.settings import Settings
from reconcile.alembic_bridge.pooler import PoolerBetween, refuse_pooler
from reconcile.healing.heal import heal
from reconcile.inspection.inspect import Choices, inspect
from reconcile.location.locate import Verdict
from reconcile.observation.observe import NoSchemaChosen
from reconcile.planning.report import Report
from reconcile.schema.errors import ReconcileError
from reconcile.tape.project import Project, open_project

BACKEND = Path(__file__).resolve().parents[1]
ALEMBIC_INI = BACKEND / "alembic.ini"
SYSTEM_INI = BACKEND / "system_chain" / "alembic.ini"
Result = TypeVar("Result")
log = structlog.get_logger(__name__)


_SETTINGS = {Verdict.AHEAD: "\n  ALLOW_AHEAD=true  # to serve with this code meanwhile"}


class SchemaRefused(PegasusError):
    """The database can't be served as it is; the text is the whole report."""

    def __init__(self, report: Report) -> None:
        schema = report.observation.home
        hint = f"SQL after SET search_path TO {schema}; commands with -c {SYSTEM_INI.parent.name}/{SYSTEM_INI.name}"
        where = f"In the schema {schema} ({hint}): "
        super().__init__(f"{where if schema == SYSTEM_SCHEMA else ''}{report}{_SETTINGS.get(report.verdict, '')}")
        self.report = report
        self.exit_code = report.exit_code


class DatabaseEncodingUnfit(PegasusError):
    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"The database's encoding is {encoding}, which can't hold every name and tag: Pegasus needs UTF8. Make a"
            " new database with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, restore a dump into it, and name"
            " it in DATABASE_URL."
        )
        self.encoding = encoding


class SchemaUnchecked(PegasusError):
    """The database couldn't be compared with the revisions, or couldn't be healed just now."""

    def __init__(self, error: ReconcileError) -> None:
        hint = ": set MIGRATION_DATABASE_URL to that address." if isinstance(error, PoolerBetween) else ""
        super().__init__(f"{error}{hint}")
        self.exit_code = error.exit_code


async def bring_up_to_date(settings: Settings) -> tuple[Report, ...]:
    """Heals the database as MIGRATIONS says; answers with what was found and done in each chain, or () where it's off.

    The queue of jobs, which has no chain, is brought up to date with them; where it's off, too, it is looked at.

    Raises:
        JobQueueMissing: the queue isn't there, and MIGRATIONS doesn't allow to make it.
        SchemaRefused: a schema isn't what this code needs, and healing it isn't safe or isn't allowed.
        SchemaUnchecked: the revisions can't be read, another process is healing and doesn't end, or a transaction
            pooler stands between us and PostgreSQL.
        DatabaseProblem: the database can't be used.
    """
    reports: tuple[Report, ...] = ()
    if settings.migrations != "off":
        reports = await _chains_up_to_date(settings)
    elif settings.database_url is not None:  # jobs and listening need a session of their own, too
        await on_connection(settings, refuse_pooler)
    address = await asyncio.to_thread(migration_address, settings)
    await prepare_queue(address, may_change=settings.migrations == "heal")
    return reports


async def _chains_up_to_date(settings: Settings) -> tuple[Report, ...]:
    work = _healing(settings) if settings.migrations == "heal" else inspect
    reports = await on_both_chains(settings, work)
    for report in reports:
        if not _is_served(report, settings):
            raise SchemaRefused(report)
        _log(report)
    return reports


async def heal_database(settings: Settings) -> Report:
    """Heals the database, and answers for the chain of `audio_files`; for the other one where only that isn't well.

    The queue of jobs is made with them. Raises as `bring_up_to_date`, except for SchemaRefused.
    """
    reports = await on_both_chains(settings, _healing(settings))
    if all(report.well for report in reports):
        await prepare_queue(await asyncio.to_thread(migration_address, settings), may_change=True)
    return _decisive(reports)


async def preview_heal(settings: Settings) -> Report:
    """What `heal_database` would do, and answer; nothing is changed. Raises as it does."""
    return _decisive(await on_both_chains(settings, partial(inspect, choices=_choices(settings))))


def _decisive(reports: Sequence[Report]) -> Report:
    return next((report for report in reports if not report.well), reports[0])


def _healing(settings: Settings) -> Callable[[Connection, Project], Report]:
    return partial(heal, choices=_choices(settings))


def _choices(settings: Settings) -> Choices:
    """Tables are large from HEAL_ROW_LIMIT rows on."""
    return Choices(row_limit=settings.heal_row_limit)


def _is_served(report: Report, settings: Settings) -> bool:
    """What only makes this code slower is told in the log, and keeps nobody from being served."""
    return report.serves or (report.verdict is Verdict.AHEAD and settings.allow_ahead)


def _log(report: Report) -> None:
    write = log.info if report.applied else log.debug
    write("schema checked", verdict=str(report.verdict), outcome=report.outcome, revision=report.tape.head)
    if report.verdict is not Verdict.EMPTY:  # to make all of a new database changes nothing
        for step in report.plan.steps:
            log.info("schema changed", step=" ".join(str(step).split()))
    for note in report.plan.notes:
        log.warning("about the schema", note=note)
    if report.plan.refusal is not None:
        log.warning("the schema isn't mended", reason=report.plan.refusal.reason)


async def on_both_chains(settings: Settings, work: Callable[[Connection, Project], Report]) -> tuple[Report, ...]:
    """Calls `work` as `on_database` does, for our own schema only once the chain of `audio_files` can be served."""

    def for_each(connection: Connection, *projects: Project) -> tuple[Report, ...]:
        _check_encoding(connection)
        if settings.database_url is not None:
            refuse_pooler(connection)
        reports: list[Report] = []
        for project in projects:
            if all(_is_served(report, settings) for report in reports):
                reports.append(work(connection, project))
        return tuple(reports)

    return await on_connection(settings, for_each, ALEMBIC_INI, SYSTEM_INI)


def _check_encoding(connection: Connection) -> None:
    """Raises DatabaseEncodingUnfit: names and tags are of all languages."""
    driver: Any = connection.connection.driver_connection
    encoding = driver.get_settings().server_encoding
    if encoding != "UTF8":
        raise DatabaseEncodingUnfit(encoding)


async def on_database(settings: Settings, work: Callable[[Connection, Project], Result]) -> Result:
    """Calls `work` with a connection for migrations and the project of the chain of `audio_files`."""
    return await on_connection(settings, work, ALEMBIC_INI)


async def on_connection(settings: Settings, work: Callable[..., Result], *chains: Path) -> Result:
    """Calls `work` with a connection for migrations and the project of each chain, by its alembic.ini."""
    address = await asyncio.to_thread(migration_address, settings)
    engine = open_single_use_engine(address)
    try:
        projects = [open_project(ini) for ini in chains]
        with explained(address):
            async with engine.connect() as connection:
                return await connection.run_sync(work, *projects)
    except ReconcileError as error:
        if isinstance(error, NoSchemaChosen):  # PostgreSQL leaves out what the user may not use
            user = unquote(urlsplit(address).username or "")
            raise PrivilegeMissing(user, "use a schema on its search_path", error.remedy) from error
        if isinstance(error.__cause__, PegasusError):  # what our own env.py raises
            raise error.__cause__ from None
        raise SchemaUnchecked(error) from error
    finally:
        await engine.dispose()
