"""Gives the table back from storage alone: a row for each recording whose bytes and manifest are there and agree.

It never changes a row that is there, so it may be broken off and run again, and a server may run beside it. Nothing is
announced: for whoever listens, these recordings came in long ago. What was put aside, or is half-written, is left out.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from audio.model.audio_file import AudioFile
from audio.model.object_names import is_recording
from audio.processing.jobs import ENQUEUE, Job, parameters
from audio.processing.status import IN_PROGRESS
from audio.search.index import SearchIndex
from audio.upkeep import row_paths
from audio.upkeep.manifest_rows import ManifestRows, NoManifestRow, Obstacle, Row
from core.database.engine import Sessions, driver_connection
from storage.contract import Storage
from storage.upkeep import Upkeep

READ_AT_ONCE = 16


@dataclass(frozen=True)
class NotRebuilt:
    """A recording that got no row."""

    obstacle: Obstacle
    path: str


@dataclass(kw_only=True)
class RebuildTally:
    """How many there were."""

    recordings: int = 0
    already_there: int = 0
    rebuilt: int = 0
    enqueued: int = 0
    not_rebuilt: int = 0


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """One pass over storage; `progress` is called with the number of recordings that were looked at each time.

    With `verify` each recording's bytes are read, and have to have the digest that its manifest says.
    """

    sessions: Sessions
    storage: Storage
    upkeep: Upkeep
    progress: Callable[[int], object]
    verify: bool = False
    tally: RebuildTally = field(default_factory=RebuildTally)

    async def run(self) -> AsyncGenerator[NotRebuilt]:
        """Enters what can be entered, and yields what can't. Raises DatabaseProblem or StorageError."""
        async with aclosing(self.upkeep.walk()) as batches:
            async for batch in batches:
                names = sorted(found.name for found in batch if is_recording(found.name))
                there = await row_paths.named(self.sessions, names) if names else set()
                self.tally.recordings += len(names)
                self.tally.already_there += len(there)
                for obstacle in await self._rebuilt([name for name in names if name not in there]):
                    self.tally.not_rebuilt += 1
                    yield obstacle
                self.progress(len(names))

    async def _rebuilt(self, names: Sequence[str]) -> list[NotRebuilt]:
        turns = asyncio.Semaphore(READ_AT_ONCE)
        remembered = ManifestRows(storage=self.storage, verify=self.verify)

        async def read(name: str) -> Row | NotRebuilt | None:
            async with turns:
                try:
                    return await remembered.row(name)
                except NoManifestRow as reason:
                    return NotRebuilt(reason.obstacle, name)

        found = await asyncio.gather(*map(read, names))
        rows = [each for each in found if isinstance(each, dict)]
        return [each for each in found if isinstance(each, NotRebuilt)] + await self._enter(rows)

    async def _enter(self, rows: Sequence[Row]) -> list[NotRebuilt]:
        """Enters all rows at once, or where one of them is refused, each for itself."""
        if not rows:
            return []
        try:
            async with self.sessions() as session:
                entered = await self._entered(session, rows)
        except DBAPIError:
            if len(rows) == 1:
                return [NotRebuilt(Obstacle.ROW_REFUSED, rows[0]["file_path"])]
            return [each for row in rows for each in await self._enter([row])]
        await SearchIndex(sessions=self.sessions).renew(sorted(entered))
        left = [row["file_path"] for row in rows if row["id"] not in entered]
        named = await row_paths.named(self.sessions, left) if left else set()  # by a server that works meanwhile
        self.tally.already_there += len(named)
        return [NotRebuilt(Obstacle.ID_TAKEN, path) for path in left if path not in named]

    async def _entered(self, session: AsyncSession, rows: Sequence[Row]) -> set[UUID]:
        """Enters the rows, and the jobs of those that aren't at their end, and commits."""
        statement = insert(AudioFile).on_conflict_do_nothing().returning(AudioFile.id)
        first_of_each = list({row["id"]: row for row in rows}.values())
        result: CursorResult[Any] = await session.execute(statement.values(first_of_each))  # type: ignore[assignment]
        entered = {found.id for found in result}
        due = [Job(row["id"]) for row in rows if row["id"] in entered and row["processing_status"] in IN_PROGRESS]
        if due:
            await (await driver_connection(session)).fetch(ENQUEUE, *parameters(due))
        await session.commit()
        self.tally.rebuilt += len(entered)
        self.tally.enqueued += len(due)
        return entered
