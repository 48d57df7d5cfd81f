"""Rebuilds the table from storage: inserts a row for each recording whose bytes and manifest are intact.

It never changes an existing row, so it may be interrupted and repeated, and a server may run meanwhile. It announces no
events, since these recordings aren't new. Quarantined and unfinished bytes are left out.
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
from audio.model.titles import TITLE, add_titles
from audio.processing.jobs import ENQUEUE, Job, parameters
from audio.processing.status import IN_PROGRESS
from audio.search.index import SearchIndex
from audio.upkeep import row_paths
from audio.upkeep.manifest_rows import ManifestRows, NoManifestRow, Obstacle, Row
from core.database.engine import Sessions, driver_connection
from storage.contract import Storage
from storage.upkeep import Upkeep

CONCURRENT_READS = 16


@dataclass(frozen=True)
class NotRebuilt:
    """A recording that got no row."""

    obstacle: Obstacle
    path: str


@dataclass(kw_only=True)
class RebuildTally:
    """Counts of a rebuild."""

    recordings: int = 0
    already_there: int = 0
    rebuilt: int = 0
    enqueued: int = 0
    not_rebuilt: int = 0


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """One pass over storage; `progress` is called with the number of recordings of each batch.

    With `verify` each recording's bytes are read and compared with its manifest's digest.
    """

    sessions: Sessions
    storage: Storage
    upkeep: Upkeep
    progress: Callable[[int], object]
    verify: bool = False
    tally: RebuildTally = field(default_factory=RebuildTally)

    async def run(self) -> AsyncGenerator[NotRebuilt]:
        """Inserts rows, and yields the recordings that can't have one. Raises DatabaseProblem or StorageError."""
        async with aclosing(self.upkeep.walk()) as batches:
            async for batch in batches:
                names = sorted(entry.name for entry in batch if is_recording(entry.name))
                existing = await row_paths.existing_paths(self.sessions, names) if names else set()
                self.tally.recordings += len(names)
                self.tally.already_there += len(existing)
                for not_rebuilt in await self._rebuild([name for name in names if name not in existing]):
                    self.tally.not_rebuilt += 1
                    yield not_rebuilt
                self.progress(len(names))

    async def _rebuild(self, names: Sequence[str]) -> list[NotRebuilt]:
        limit = asyncio.Semaphore(CONCURRENT_READS)
        manifest_rows = ManifestRows(storage=self.storage, verify=self.verify)

        async def read(name: str) -> Row | NotRebuilt | None:
            async with limit:
                try:
                    return await manifest_rows.row(name)
                except NoManifestRow as reason:
                    return NotRebuilt(reason.obstacle, name)

        results = await asyncio.gather(*map(read, names))
        rows = [result for result in results if isinstance(result, dict)]
        return [result for result in results if isinstance(result, NotRebuilt)] + await self._insert(rows)

    async def _insert(self, rows: Sequence[Row]) -> list[NotRebuilt]:
        """Inserts all rows in one statement, or one by one where one of them is refused."""
        if not rows:
            return []
        try:
            async with self.sessions() as session:
                inserted = await self._insert_and_enqueue(session, rows)
        except DBAPIError:
            if len(rows) == 1:
                return [NotRebuilt(Obstacle.ROW_REFUSED, rows[0]["file_path"])]
            return [not_rebuilt for row in rows for not_rebuilt in await self._insert([row])]
        await SearchIndex(sessions=self.sessions).renew(sorted(inserted))
        skipped = [row["file_path"] for row in rows if row["id"] not in inserted]
        existing = await row_paths.existing_paths(self.sessions, skipped) if skipped else set()  # by a running server
        self.tally.already_there += len(existing)
        return [NotRebuilt(Obstacle.ID_TAKEN, path) for path in skipped if path not in existing]

    async def _insert_and_enqueue(self, session: AsyncSession, rows: Sequence[Row]) -> set[UUID]:
        """Inserts the rows, and jobs for those in progress, and commits. Returns the ids that were inserted."""
        statement = insert(AudioFile).on_conflict_do_nothing().returning(AudioFile.id)
        unique_rows = {row["id"]: row for row in rows}
        values = [{name: value for name, value in row.items() if name != TITLE} for row in unique_rows.values()]
        result: CursorResult[Any] = await session.execute(statement.values(values))  # type: ignore[assignment]
        inserted = {row.id for row in result}
        await add_titles(
            session, {id_: row[TITLE] for id_, row in unique_rows.items() if id_ in inserted and row[TITLE]}
        )
        jobs = [Job(row["id"]) for row in rows if row["id"] in inserted and row["processing_status"] in IN_PROGRESS]
        if jobs:
            await (await driver_connection(session)).fetch(ENQUEUE, *parameters(jobs))
        await session.commit()
        self.tally.rebuilt += len(inserted)
        self.tally.enqueued += len(jobs)
        return inserted
