"""The database's history, as `/api/server` answers with it: where its chains are, and its last heals."""

import asyncio

import structlog
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from api.server_info import Chain, Heal, SchemaHistory
from app.last_heal import summary
from app.schema_healing import ALEMBIC_INI, SYSTEM_INI, on_connection
from audio.model.audio_file import AudioFile
from core.database.system_tables import SCHEMA as SYSTEM_SCHEMA
from core.errors import PegasusError
from core.settings import ROOT, Settings
from reconcile.journal.description import describe
from reconcile.journal.journal import Journal
from reconcile.tape.project import Project

log = structlog.get_logger(__name__)
LISTED_HEALS = 10
ANSWER_SECONDS = 5


async def schema_history(settings: Settings, lock: asyncio.Lock) -> SchemaHistory | None:
    """The history; None where it can't be read. One connection at a time, as each is opened for itself."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS), lock:
            return await on_connection(settings, _history, ALEMBIC_INI, SYSTEM_INI)
    except (PegasusError, SQLAlchemyError, TimeoutError) as error:
        log.warning("the history of the schema can't be read", reason=str(error) or type(error).__name__)
        return None


def _history(connection: Connection, *projects: Project) -> SchemaHistory:
    names = (AudioFile.__tablename__, SYSTEM_SCHEMA)
    chains = [_chain(connection, name, project) for name, project in zip(names, projects, strict=True)]
    rows = Journal(projects[0]).history(connection, limit=LISTED_HEALS)
    return SchemaHistory(
        chains=chains,
        heals=[
            Heal(
                **summary(row),
                chain_head=row["head"],
                report="\n".join(describe(row)).replace(f"{ROOT}/", ""),  # an error may name one of our files
            )
            for row in rows
        ],
    )


def _chain(connection: Connection, name: str, project: Project) -> Chain:
    versions = project.tape.versions
    options = {"version_table": versions.name, "version_table_schema": versions.schema}
    with connection.begin() as transaction:
        revisions = MigrationContext.configure(connection, opts=options).get_current_heads()
        transaction.rollback()
    return Chain(name=name, revision=", ".join(sorted(revisions)) or None, head=project.tape.head)
