"""Makes the tables straight from the models, without Alembic, as the first deployments of Pegasus did.

Nothing needs this: the server creates and heals its tables itself. It adopts such a database at the next start.
"""

import argparse
import asyncio

from sqlalchemy import Connection, inspect

from app.schema_healing import on_database
from audio.model.audio_file import Base
from core.database.engine import database_address, explained, open_single_use_engine
from core.settings import Settings
from reconcile.inspection.inspect import inspect as report_on
from reconcile.planning.report import Report


async def init_db(settings: Settings, options: argparse.Namespace) -> int:
    missing = await _missing_tables(settings, create=not options.dry_run)
    if options.dry_run:
        print(f"Would make: {', '.join(missing)}." if missing else "Would make nothing: the tables are there.")
        return 0
    print("✅ The tables are there.")
    print(f"   {_record(await on_database(settings, report_on))}")
    return 0


async def _missing_tables(settings: Settings, *, create: bool) -> list[str]:
    """The tables that aren't there; they are made when `create` says so."""
    address = await asyncio.to_thread(database_address, settings)
    engine = open_single_use_engine(address, pooled=True)
    try:
        with explained(address):
            async with engine.begin() as connection:
                return await connection.run_sync(_create if create else _missing)
    finally:
        await engine.dispose()


def _missing(connection: Connection) -> list[str]:
    return sorted(set(Base.metadata.tables) - set(inspect(connection).get_table_names()))


def _create(connection: Connection) -> list[str]:
    missing = _missing(connection)
    Base.metadata.create_all(connection)
    return missing


def _record(report: Report) -> str:
    """What Alembic's record says of the database."""
    if not report.observation.claimed:
        return "Alembic has no record of it: python3 resolve_migration_error.py or the next start will see to that."
    revisions = ", ".join(report.observation.claimed)
    if report.well:
        return f"Alembic has it on record at {revisions}, which is where it is."
    return f"Alembic has it on record at {revisions}, which isn't all: python3 verify_migration.py says what is."
