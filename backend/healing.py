"""How Pegasus uses reconcile: on its own database, by its own settings, with its own errors."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from core.database import explained, migration_address, open_single_use_engine
from core.errors import PegasusError
from core.settings import Settings, load_settings
from reconcile.errors import ReconcileError
from reconcile.heal import heal
from reconcile.locate import Verdict
from reconcile.look import Choices, look
from reconcile.project import Project, open_project
from reconcile.report import Report

ALEMBIC_INI = Path(__file__).parent / "alembic.ini"
Result = TypeVar("Result")
log = structlog.get_logger(__name__)


class SchemaRefused(PegasusError):
    """The database can't be served as it is; the text is the whole report."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report
        self.exit_code = report.exit_code


class SchemaUnchecked(PegasusError):
    """The database couldn't be compared with the revisions, or couldn't be healed just now."""

    def __init__(self, error: ReconcileError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code


async def bring_up_to_date(settings: Settings) -> Report | None:
    """Heals the database as MIGRATIONS says, and answers with what was found and done; None where it says off.

    Raises:
        SchemaRefused: the schema isn't what this code needs, and healing it isn't safe or isn't allowed.
        SchemaUnchecked: the revisions can't be read, or another process is healing and doesn't end.
        DatabaseProblem: the database can't be used.
    """
    if settings.migrations == "off":
        return None
    report = await (heal_database(settings) if settings.migrations == "heal" else on_database(settings, look))
    served_ahead = report.verdict is Verdict.AHEAD and settings.allow_ahead
    if not report.well and not served_ahead:
        raise SchemaRefused(report)
    _log(report)
    return report


async def heal_database(settings: Settings) -> Report:
    """Heals the database, with tables held to be large from HEAL_ROW_LIMIT rows on. Raises as `bring_up_to_date`."""
    return await on_database(settings, partial(heal, choices=Choices(row_limit=settings.heal_row_limit)))


def _log(report: Report) -> None:
    write = log.info if report.applied else log.debug
    write("schema checked", verdict=str(report.verdict), outcome=report.outcome, revision=report.tape.head)
    for step in report.plan.steps:
        log.info("schema changed", step=" ".join(str(step).split()))
    for note in report.plan.notes:
        log.warning("about the schema", note=note)


async def on_database(settings: Settings, work: Callable[[Connection, Project], Result]) -> Result:
    """Calls `work` with a connection for migrations and the project of our own revisions."""
    address = await asyncio.to_thread(migration_address, settings)
    engine = open_single_use_engine(address)
    try:
        project = open_project(ALEMBIC_INI)
        with explained(address):
            async with engine.connect() as connection:
                return await connection.run_sync(work, project)
    except ReconcileError as error:
        raise SchemaUnchecked(error) from error
    finally:
        await engine.dispose()


def run_script(script: Callable[[Settings], Awaitable[int]]) -> None:
    """Runs one of the scripts beside this file and exits; what a person can act on is told in one sentence."""
    try:
        sys.exit(asyncio.run(_run(script)))
    except PegasusError as error:
        print(f"❌ {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


async def _run(script: Callable[[Settings], Awaitable[int]]) -> int:
    return await script(load_settings())
