"""The worker as the server has it inside, one a machine, and as `python main.py worker` runs it alone."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from prometheus_client import start_http_server

from app.startup import prepare
from app.storage_factory import open_storage
from audio.processing.decoder_process import inspect_sandbox
from audio.processing.decoding import Decoder
from audio.processing.examination_step import ExaminationStep
from audio.processing.pipeline import Pipeline
from audio.processing.retry_policy import RetryPolicy
from audio.processing.speech_samples import SampleFiles
from audio.processing.transcription_step import TranscriptionStep
from audio.processing.worker import Worker
from audio.transcription.contract import Engine
from audio.transcription.engines.selection import engine_for, improver_for
from core.database.engine import Sessions, is_pooled, migration_address, open_engine, sessions_on
from core.errors import SettingRefused
from core.file_lock import file_lock
from core.observability import tracing
from core.observability.metrics import REGISTRY
from core.settings import Settings
from storage.contract import Storage

log = structlog.get_logger("pegasus")
LOCK, SCRATCH = "worker.lock", "processing"
LEFT_BEHIND_SECONDS = 24 * 3600
INLINE_NICENESS = 10  # requests come first


@asynccontextmanager
async def inline_worker(settings: Settings, *, sessions: Sessions, storage: Storage) -> AsyncIterator[None]:
    """A worker inside this process for as long as the block lasts; where PROCESSING is off, none.

    Of several server processes on one machine one works at a time. Raises SettingRefused.
    """
    if settings.processing == "off":
        yield
        return
    decoding = max(1, (os.cpu_count() or 1) // 2)
    async with open_worker(
        settings,
        sessions=sessions,
        storage=storage,
        decoding=decoding,
        ahead=0,  # what would be kept meanwhile waits for the same disk as uploads do
        niceness=INLINE_NICENESS,
    ) as worker:
        working = asyncio.create_task(_in_turn(worker, settings.data_path / LOCK))
        try:
            yield
        finally:
            worker.stop()
            await asyncio.wait([working])


async def _in_turn(worker: Worker, lock: Path) -> None:
    async with file_lock(lock, until=worker.stopped):
        await worker.run()


async def work_alone(settings: Settings) -> None:
    """Works on recordings, and serves nothing, until SIGTERM or SIGINT. Raises PegasusError."""
    prepared = await prepare(settings)
    serve_metrics(settings)
    await inspect_sandbox()
    engine = open_engine(prepared.address, pooled=is_pooled(settings))
    sessions, storage = sessions_on(engine, prepared.address), open_storage(settings)
    try:
        async with (
            tracing.traced(),
            open_worker(settings, sessions=sessions, storage=storage, decoding=os.cpu_count() or 1) as worker,
        ):
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, worker.stop)
            log.info("Pegasus works on recordings", engine=settings.transcription_engine)
            await worker.run()
    finally:
        await engine.dispose()


def serve_metrics(settings: Settings) -> None:
    """Lets HOST and METRICS_PORT tell what this process counts, until it ends. Raises SettingRefused."""
    if not settings.metrics_port:
        return
    try:
        start_http_server(settings.metrics_port, settings.host, registry=REGISTRY)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise SettingRefused("METRICS_PORT", f"can't be used: {settings.host}: {reason}") from error


@asynccontextmanager
async def open_worker(
    settings: Settings,
    *,
    sessions: Sessions,
    storage: Storage,
    decoding: int,
    ahead: int = 2,
    niceness: int = 0,
    engine: Engine | None = None,
    retry_policy: RetryPolicy | None = None,
) -> AsyncIterator[Worker]:
    """A worker that hasn't begun, with what it needs; `decoding` is how many recordings it decodes at once.

    Besides these, `ahead` recordings are being fetched, or what was found in them is being kept.
    `engine` is used in place of the one that the settings name. Raises SettingRefused.
    """
    scratch = settings.data_path / SCRATCH
    async with Decoder(niceness=niceness) as decoder:
        samples = SampleFiles(decoder=decoder, scratch=scratch)
        engine, improver = engine or engine_for(settings, samples=samples.of), improver_for(settings)
        await asyncio.to_thread(_prepare, scratch)
        transcribing = None
        if engine is not None:
            transcribing = TranscriptionStep(
                sessions=sessions,
                storage=storage,
                engine=engine,
                improver=improver,
                language=settings.transcription_language,
                scratch=scratch,
            )
        examination = ExaminationStep(
            sessions=sessions,
            storage=storage,
            decoder=decoder,
            decoding=asyncio.Semaphore(decoding),
            scratch=scratch,
        )
        processing = Pipeline(sessions=sessions, storage=storage, examination=examination, transcribing=transcribing)
        address = await asyncio.to_thread(migration_address, settings)  # a pooler wouldn't let it listen
        try:
            yield Worker(
                address=address,
                processing=processing,
                quick_concurrency=decoding + ahead,
                retry_policy=retry_policy or RetryPolicy(),
            )
        finally:
            for each in (engine, improver):
                if each is not None:
                    await each.close()


def _prepare(folder: Path) -> None:
    """A folder on a disk, where /tmp may be memory; what killed workers have left there goes after a day."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.iterdir():
        with suppress(OSError):  # another worker may remove it, too
            if left.stat().st_mtime < time.time() - LEFT_BEHIND_SECONDS:
                shutil.rmtree(left)
