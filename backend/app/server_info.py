"""What a server says of itself to those who look after it: its settings without secrets, and its database's history."""

import asyncio
from functools import partial

from api.server_info import Engines, SchemaHistory, ServerConfiguration, TranscriptionEngine
from audio.intake.quota import Quota
from core.settings import Settings


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
    from app.schema_history import schema_history  # noqa: PLC0415 - with Alembic, which no other request needs

    return await schema_history(settings, lock)
