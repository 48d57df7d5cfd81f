"""A database and a storage that belong together, with real recordings, for tests of what looks after them."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from app.schema_healing import bring_up_to_date
from app.storage_factory import local_storage
from audio.intake.batch_inserter import BatchInserter
from audio.intake.ingest import Ingest
from audio.intake.quota import Quota
from audio.model.audio_file import AudioFile
from audio.model.details import Details
from audio.upkeep.sweep_report import SweepReport
from audio.upkeep.sweeper import Sweeper
from commands.storage import main
from core.database.engine import Sessions, open_engine, sessions_on
from core.settings import Settings, load_settings
from storage.local.storage import LocalStorage
from storage.local.upkeep import file_system_time
from tests.audio.samples import recording
from tests.programs import ran

DAY = 24 * 60 * 60
LATER = DAY + 60.0


@dataclass(frozen=True)
class House:
    """One deployment, without a server."""

    settings: Settings
    storage: LocalStorage
    sessions: Sessions

    @property
    def root(self) -> Path:
        """The storage's folder."""
        return self.settings.storage_root

    def sweeper(self, *, ahead: float = LATER, **more: Any) -> Sweeper:
        """A sweeper for which every file is `ahead` seconds older than it is."""
        upkeep = self.storage.upkeep(clock=lambda probe: file_system_time(probe) + ahead)
        return Sweeper(sessions=self.sessions, upkeep=upkeep, **{"settle_seconds": 0} | more)

    async def sweep(self, *, ahead: float = LATER, **how: Any) -> SweepReport:
        """Sweeps once."""
        sweep = await self.sweeper(ahead=ahead).sweep(**how)
        assert sweep is not None
        return sweep

    async def record(self, *, enter: bool = True) -> AudioFile:
        """Takes a recording in; without entering it, as a crash before the row leaves it."""
        quota = Quota(limit_bytes=0, limit_recordings=0)
        ingest = Ingest(
            sessions=self.sessions,
            inserter=BatchInserter(self.sessions),
            storage=self.storage,
            limit_bytes=1024 * 1024,
            quota=quota,
        )
        details = Details(original_filename="memo.wav", user_id="anna")
        async with ingest.incoming(details=lambda: details) as incoming:
            incoming.write(recording("wav"))
            row = ingest.publish(incoming, details)
            if enter:
                await ingest.enter(incoming, row)
        return row

    async def forget(self, *rows: AudioFile) -> None:
        """Takes rows away and leaves their bytes, as a restored backup does."""
        async with self.sessions() as session:
            for row in rows:
                await session.delete(await session.get_one(AudioFile, row.id))
            await session.commit()

    async def enter(self, path: str, **more: Any) -> UUID:
        """Enters a row that names this path."""
        row = AudioFile(filename=path[-255:], file_path=path, processing_status="completed", **more)
        async with self.sessions() as session:
            session.add(row)
            await session.commit()
        return row.id

    def files(self) -> set[str]:
        """Every file, but what storage knows of itself."""
        return {name for name in self._all() if not name.startswith(".pegasus/")}

    def _all(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m storage` on this deployment."""
        assert self.settings.database_url is not None
        ours = {
            "DATABASE_URL": self.settings.database_url.get_secret_value(),
            "AUDIO_STORAGE_PATH": str(self.root),
        }
        return ran(main, *arguments, **ours | environment)

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command prints as JSON, line by line."""
        return [json.loads(line) for line in self.command(*arguments, "--json").stdout.splitlines()]


@asynccontextmanager
async def open_house(database: str, root: Path) -> AsyncIterator[House]:
    """A deployment whose schema is there, and whose storage is empty and not yet paired with the database."""
    settings = load_settings(database_url=database, audio_storage_path=root)
    await bring_up_to_date(settings)
    storage = local_storage(settings)
    await storage.prepare()
    engine = open_engine(database)
    try:
        yield House(settings, storage, sessions_on(engine, database))
    finally:
        await engine.dispose()
