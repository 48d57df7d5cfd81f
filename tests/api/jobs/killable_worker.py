"""A worker on its own, to be killed; run with the settings in the environment.

Its engine hears the same in each recording, but at the one whose SHA-256 is given it kills its own process.
"""

import asyncio
import hashlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from app.storage_factory import open_storage
from app.worker_process import open_worker
from audio.transcription.contract import Transcript
from core.database.engine import database_address, open_engine, sessions_on
from core.settings import load_settings
from tests.api.processing import IMPATIENT


class Engine:
    """Hears something after a moment, in which it can be killed."""

    name = "deaf"

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        """The same for every recording."""
        if hashlib.sha256(audio.read_bytes()).hexdigest() == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(0.02)
        return Transcript("Something.")

    async def close(self) -> None:
        """Has nothing to let go of."""


async def work() -> None:
    settings = load_settings()
    address = database_address(settings)
    async with open_worker(
        settings,
        sessions=sessions_on(open_engine(address), address),
        storage=open_storage(settings),
        decoding=2,
        engine=Engine(),
        retry_policy=replace(IMPATIENT, kills=int(sys.argv[1])),
    ) as worker:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        print("works", flush=True)
        await worker.run()


asyncio.run(work())
