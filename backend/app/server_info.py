"""What a server says of itself to those who look after it: its settings without secrets, and its database's history."""

import asyncio
from functools import partial

import structlog
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from api.server_info import (
    Chain,
    Engines,
    Heal,
    SchemaHistory,
    ServerConfiguration,
    TranscriptionEngine,
)
from app.last_heal import summary
from app.schema_healing import ALEMBIC_INI, SYSTEM_INI, on_connection
from audio.intake.quota import Quota
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


def server_configuration(settings: Settings, *, quota: Quota, webhooks: int) -> ServerConfiguration:
    """What `/api/server` answers with, by the settings; `webhooks` are the addresses that are told."""
    return ServerConfiguration(
        database="external" if settings.database_url else "embedded",
        storage="local" if settings.storage == "local" else "s3",
        quota=quota,
        engines=Engines(
            processing=settings.processing == "inline",
            transcription=_transcription(settings),
            improvement=settings.ollama_model,
            webhooks=webhooks,
        ),
        read_history=partial(_read_history, settings, asyncio.Lock()),
    )


def _transcription(settings: Settings) -> TranscriptionEngine | None:
    name = settings.transcription_engine
    if name == "none":
        return None
    models = {
        "whisper": settings.whisper_model,
        "openai": settings.openai_transcription_model,
        "deepgram": settings.deepgram_model,
    }
    is_folder = models[name].startswith(("/", ".", "~"))
    return TranscriptionEngine(
        name=name,
        model=models[name].rstrip("/").rpartition("/")[2] if is_folder else models[name],
        language=settings.transcription_language,
        speakers=settings.transcription_speakers,
    )


async def _read_history(settings: Settings, lock: asyncio.Lock) -> SchemaHistory | None:
    """One connection at a time, as each is opened for itself."""
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
