"""Compares the rows with storage, and quarantines orphaned files. It never deletes a recording.

Files without a row are moved into quarantine once they are a day old; rows without bytes are reported; only unfinished
uploads are removed. It stops before it moves anything where too many files are orphaned.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from audio.model.artifacts import artifacts
from audio.model.audio_file import utc_now
from audio.model.manifest import manifest_name
from audio.model.object_names import is_companion, is_recording, named_by
from audio.upkeep import row_paths
from audio.upkeep.manifest_repair import Manifests
from audio.upkeep.pairing import ensure_paired
from audio.upkeep.path_aliases import PathAliases
from audio.upkeep.row_paths import RowPath
from audio.upkeep.sweep_report import LISTED_IDS, SweepReport
from core.database.engine import Sessions
from core.errors import PegasusError
from storage.upkeep import StoredObject, Upkeep

HOUR_SECONDS = 60 * 60
DAY_SECONDS = 24 * HOUR_SECONDS
YEAR_SECONDS = 365 * DAY_SECONDS
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as the table keeps times
# An upload inserts its row, and a delete removes its bytes, well within this time.
SETTLE_SECONDS = 30
TOLERATED_ORPHANS = 10  # crashes leave a few in any storage; more are compared with the number of recordings
TOLERATED_SHARE = 0.01
MOST_NAMES = 10_000  # in memory; the next sweep takes the rest
BATCH_NAMES = 200
# Held until its transaction ends, so it also works behind a transaction pooler. The second statement ends the snapshot
# of the first, for which a CREATE INDEX CONCURRENTLY would wait.
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('pegasus sweeper', 0))")
_NO_IDLE_TIMEOUT = text("SET LOCAL idle_in_transaction_session_timeout = 0")


class SweepInProgress(PegasusError):
    message = "Another process is sweeping this storage right now."


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """Sweeps a storage. `expire_uploads` removes expired resumable uploads, and returns how many.

    `manifests` repairs manifests that differ from their rows.
    """

    sessions: Sessions
    upkeep: Upkeep
    expire_uploads: Callable[[], Awaitable[int]] | None = None
    manifests: Manifests | None = None
    settle_seconds: float = SETTLE_SECONDS

    async def sweep(
        self,
        *,
        dry_run: bool = False,
        consent: bool = False,
        every_manifest: bool = False,
        unless_within: float = 0,
    ) -> SweepReport | None:
        """Sweeps once, and returns the report; None where there was a sweep in the last `unless_within` seconds.

        With `consent` it moves any number of files. With `every_manifest` it also compares manifests whose rows
        weren't changed since the last sweep. Raises SweepInProgress, PairRefused,
        TooManyPathAliases, DatabaseProblem or StorageError.
        """
        async with _exclusive(self.sessions):
            await ensure_paired(self.sessions, self.upkeep, dry_run=dry_run)
            ago = await self.upkeep.sweep_age_seconds()
            if ago is not None and 0 <= ago < unless_within:
                return None
            sweep, path_aliases = SweepReport(), PathAliases()
            changed_since = EPOCH if every_manifest else _changed_since(ago)
            await self._compare_rows(sweep, path_aliases, dry_run=dry_run, changed_since=changed_since)
            if self.manifests is not None and not dry_run:
                await self.manifests.remove_stray_speakers()
            orphans = await self._compare_files(sweep, path_aliases)
            if sweep.left_over > max(TOLERATED_ORPHANS, sweep.files * TOLERATED_SHARE) and not consent:
                sweep.stopped = _too_many(sweep)
            else:
                await self._clean_up(sweep, path_aliases, orphans, dry_run=dry_run)
            if not dry_run:
                await self.upkeep.record_sweep()
            return sweep

    async def _compare_rows(
        self, sweep: SweepReport, path_aliases: PathAliases, *, dry_run: bool, changed_since: datetime
    ) -> None:
        async with aclosing(row_paths.batches(self.sessions)) as batches:
            async for batch in batches:
                names = await self.upkeep.locate([row.path for row in batch])
                with_bytes = [(row.path, name) for row, name in zip(batch, names, strict=True) if name is not None]
                for path, name in with_bytes:
                    path_aliases.learn(path, name)
                manifests = await self.upkeep.locate([manifest_name(path) for path, _ in with_bytes])
                sweep.rows += len(batch)
                sweep.rows_without_manifest += manifests.count(None)
                missing = [row for row, name in zip(batch, names, strict=True) if name is None]
                if self.manifests is not None and not dry_run:
                    changed = [row for row in batch if row.updated_at and row.updated_at >= changed_since]
                    sweep.manifests_renewed += await self.manifests.repair([row.recording_id for row in changed])
                if self.manifests is not None and not dry_run:
                    await self.manifests.add_digests([row.recording_id for row in batch])
                    await self.manifests.add_speakers([row.recording_id for row in batch])
                if missing:
                    await self._report_missing(sweep, missing, dry_run=dry_run)

    async def _report_missing(self, sweep: SweepReport, missing: Sequence[RowPath], *, dry_run: bool) -> None:
        """Reports rows without bytes. Those without a row by now were deleted: a delete removes the row first."""
        existing = await row_paths.existing_ids(self.sessions, [row.recording_id for row in missing])
        missing = [row for row in missing if row.recording_id in existing]
        if not dry_run:
            paths = {row.path for row in missing}
            restored = paths.intersection(await self._restore(list(paths)))
            sweep.put_back += len(restored)
            missing = [row for row in missing if row.path not in restored]
        sweep.rows_without_bytes += len(missing)
        sweep.some_without_bytes += [row.recording_id for row in missing[: LISTED_IDS - len(sweep.some_without_bytes)]]

    async def _compare_files(self, sweep: SweepReport, path_aliases: PathAliases) -> list[str]:
        """Returns the names of recordings whose bytes or artifacts are orphaned, MOST_NAMES at most."""
        orphans: list[str] = []
        async with aclosing(self.upkeep.walk()) as batches:
            async for batch in batches:
                recordings = [entry for entry in batch if is_recording(entry.name)]
                companions = [entry for entry in batch if is_companion(entry.name)]
                sweep.files += len(recordings)
                sweep.others += len(batch) - len(recordings) - len(companions)
                names = _old(recordings) | {named_by(name) for name in _old(companions)}
                unknown = names - await path_aliases.referenced(self.sessions, names)
                unknown -= await self._with_bytes(unknown - _old(recordings))
                sweep.left_over += len(unknown)
                orphans += sorted(unknown)[: MOST_NAMES - len(orphans)]
        return orphans

    async def _with_bytes(self, names: Collection[str]) -> set[str]:
        """Those of the names, of old artifacts, whose bytes exist: these are young, or counted by themselves."""
        candidates = list(names)
        located = await self.upkeep.locate(candidates) if candidates else ()
        return {name for name, location in zip(candidates, located, strict=True) if location is not None}

    async def _clean_up(
        self, sweep: SweepReport, path_aliases: PathAliases, orphans: Sequence[str], *, dry_run: bool
    ) -> None:
        sweep.expired = await self.upkeep.expire_staged(older_than_seconds=DAY_SECONDS, dry_run=dry_run)
        if dry_run:
            return
        if self.expire_uploads is not None:
            sweep.expired += await self.expire_uploads()
        if orphans:
            await asyncio.sleep(self.settle_seconds)
        for at in range(0, len(orphans), BATCH_NAMES):
            sweep.quarantined += await self._quarantine(orphans[at : at + BATCH_NAMES], path_aliases)

    async def _quarantine(self, names: Sequence[str], path_aliases: PathAliases) -> int:
        """Quarantines those that still have no row, and returns how many. Those that get one meanwhile are restored."""
        referenced = await path_aliases.referenced(self.sessions, names)
        unknown = [name for name in names if name not in referenced]
        moved = await self.upkeep.quarantine([item for name in unknown for item in (name, *artifacts(name))])
        late = await path_aliases.referenced(self.sessions, unknown)
        await self._restore([name for name in unknown if name in late])
        return len({named_by(name) for name in moved} - late)

    async def _restore(self, names: Sequence[str]) -> Sequence[str]:
        """Moves recordings back from quarantine, their artifacts first: whoever finds the bytes finds these."""
        return await self.upkeep.restore([item for name in names for item in (*artifacts(name), name)])


def _changed_since(swept_ago: float | None) -> datetime:
    """The time since which a row's change may have been missed by the last sweep, with an hour for wrong clocks."""
    ago = max(0.0, 2 * DAY_SECONDS if swept_ago is None else swept_ago)
    return utc_now() - timedelta(seconds=min(ago, YEAR_SECONDS) + HOUR_SECONDS)


@asynccontextmanager
async def _exclusive(sessions: Sessions) -> AsyncIterator[None]:
    """Holds a lock, so that no other process sweeps this database's storage. Raises SweepInProgress."""
    async with sessions() as session:
        if not await session.scalar(_LOCK):
            raise SweepInProgress
        await session.execute(_NO_IDLE_TIMEOUT)
        yield


def _old(entries: Sequence[StoredObject]) -> set[str]:
    return {entry.name for entry in entries if entry.age_seconds > DAY_SECONDS}


def _too_many(sweep: SweepReport) -> str:
    return (
        f"Nothing was moved or removed: {sweep.left_over} of {sweep.files} recordings in storage have no row, more than"
        " crashes leave behind. If this is the right database all the same: python -m storage sweep --yes"
    )
