"""Compares the rows with what storage holds, and puts aside what is surely left over. It never deletes a recording.

Files without a row are moved into quarantine once they are a day old; rows without bytes are told; only what was
staged and never finished is removed. Any doubt about the whole stops it before anything is moved.
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
from audio.upkeep.pairing import make_sure
from audio.upkeep.path_aliases import PathAliases
from audio.upkeep.row_paths import Place
from audio.upkeep.sweep_report import TOLD, SweepReport
from core.database.engine import Sessions
from core.errors import PegasusError
from storage.upkeep import StoredObject, Upkeep

HOUR_SECONDS = 60 * 60
DAY_SECONDS = 24 * HOUR_SECONDS
YEAR_SECONDS = 365 * DAY_SECONDS
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as the table keeps times
# An upload enters its row, and a delete removes its bytes, well within this time, whatever the clocks say meanwhile.
SETTLE_SECONDS = 30
FEW = 10  # left over by crashes in any storage; more of them are held against the size of the whole
SHARE = 0.01
MOST = 10_000  # names held in memory; the rest is for the next time
CHUNK = 200
# Held until its transaction ends, so it also works behind a transaction pooler. The second statement ends the snapshot
# of the first, for which a CREATE INDEX CONCURRENTLY would wait.
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('pegasus sweeper', 0))")
_PATIENT = text("SET LOCAL idle_in_transaction_session_timeout = 0")


class SweepUnderWay(PegasusError):
    """Another process is sweeping the same storage."""

    def __init__(self) -> None:
        super().__init__("Another process is sweeping this storage right now.")


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """`expire_uploads` removes resumable uploads whose time is over, and returns how many there were.

    `manifests` are those that have to follow the rows.
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
        """Sweeps once, and says what was seen and done; None where somebody did within that many seconds.

        With `consent` it moves as many files as there are to move. With `every_manifest` also those are compared whose
        rows weren't changed since the last time. Raises SweepUnderWay, PairRefused,
        TooManyPathAliases, DatabaseProblem or StorageError.
        """
        async with _alone(self.sessions):
            await make_sure(self.sessions, self.upkeep, dry_run=dry_run)
            ago = await self.upkeep.sweep_age_seconds()
            if ago is not None and 0 <= ago < unless_within:
                return None
            sweep, path_aliases = SweepReport(), PathAliases()
            changed_since = EPOCH if every_manifest else _changed_since(ago)
            await self._compare_rows(sweep, path_aliases, dry_run=dry_run, changed_since=changed_since)
            left_over = await self._compare_files(sweep, path_aliases)
            if sweep.left_over > max(FEW, sweep.files * SHARE) and not consent:
                sweep.stopped = _too_many(sweep)
            else:
                await self._clean_up(sweep, path_aliases, left_over, dry_run=dry_run)
            if not dry_run:
                await self.upkeep.record_sweep()
            return sweep

    async def _compare_rows(
        self, sweep: SweepReport, path_aliases: PathAliases, *, dry_run: bool, changed_since: datetime
    ) -> None:
        async with aclosing(row_paths.places(self.sessions)) as batches:
            async for batch in batches:
                names = await self.upkeep.locate([place.path for place in batch])
                with_bytes = [(place.path, name) for place, name in zip(batch, names, strict=True) if name is not None]
                for path, name in with_bytes:
                    path_aliases.learn(path, name)
                manifests = await self.upkeep.locate([manifest_name(path) for path, _ in with_bytes])
                sweep.rows += len(batch)
                sweep.rows_without_manifest += manifests.count(None)
                missing = [place for place, name in zip(batch, names, strict=True) if name is None]
                if self.manifests is not None and not dry_run:
                    changed = [place for place in batch if place.updated_at and place.updated_at >= changed_since]
                    sweep.manifests_renewed += await self.manifests.mend([place.recording_id for place in changed])
                if missing:
                    await self._missing(sweep, missing, dry_run=dry_run)

    async def _missing(self, sweep: SweepReport, missing: Sequence[Place], *, dry_run: bool) -> None:
        """A delete removes the row first, so a row that is still there had no bytes."""
        there = await row_paths.still_there(self.sessions, [place.recording_id for place in missing])
        missing = [place for place in missing if place.recording_id in there]
        if not dry_run:
            paths = {place.path for place in missing}
            back = paths.intersection(await self._put_back(list(paths)))
            sweep.put_back += len(back)
            missing = [place for place in missing if place.path not in back]
        sweep.rows_without_bytes += len(missing)
        sweep.some_without_bytes += [place.recording_id for place in missing[: TOLD - len(sweep.some_without_bytes)]]

    async def _compare_files(self, sweep: SweepReport, path_aliases: PathAliases) -> list[str]:
        """Returns the names of recordings whose bytes or companions are left over; only of the first ones."""
        left_over: list[str] = []
        async with aclosing(self.upkeep.walk()) as batches:
            async for batch in batches:
                recordings = [found for found in batch if is_recording(found.name)]
                beside = [found for found in batch if is_companion(found.name)]
                sweep.files += len(recordings)
                sweep.others += len(batch) - len(recordings) - len(beside)
                found = _old(recordings) | {named_by(name) for name in _old(beside)}
                unknown = found - await path_aliases.known(self.sessions, found)
                unknown -= await self._young(unknown - _old(recordings))
                sweep.left_over += len(unknown)
                left_over += sorted(unknown)[: MOST - len(left_over)]
        return left_over

    async def _young(self, names: Collection[str]) -> set[str]:
        """Those of an old companion's bytes that are there, and are counted where they are met themselves."""
        wanted = list(names)
        located = await self.upkeep.locate(wanted) if wanted else ()
        return {name for name, there in zip(wanted, located, strict=True) if there is not None}

    async def _clean_up(
        self, sweep: SweepReport, path_aliases: PathAliases, left_over: Sequence[str], *, dry_run: bool
    ) -> None:
        sweep.expired = await self.upkeep.expire_staged(older_than_seconds=DAY_SECONDS, dry_run=dry_run)
        if dry_run:
            return
        if self.expire_uploads is not None:
            sweep.expired += await self.expire_uploads()
        if left_over:
            await asyncio.sleep(self.settle_seconds)
        for at in range(0, len(left_over), CHUNK):
            sweep.quarantined += await self._quarantine(left_over[at : at + CHUNK], path_aliases)

    async def _quarantine(self, names: Sequence[str], path_aliases: PathAliases) -> int:
        """Puts aside those that still have no row, and returns how many; a row that came meanwhile gets its bytes."""
        known = await path_aliases.known(self.sessions, names)
        unknown = [name for name in names if name not in known]
        moved = await self.upkeep.quarantine([each for name in unknown for each in (name, *artifacts(name))])
        late = await path_aliases.known(self.sessions, unknown)
        await self._put_back([name for name in unknown if name in late])
        return len({named_by(name) for name in moved} - late)

    async def _put_back(self, names: Sequence[str]) -> Sequence[str]:
        """What lies beside them first: it is there as soon as the bytes are."""
        return await self.upkeep.restore([each for name in names for each in (*artifacts(name), name)])


def _changed_since(sweep_age_seconds: float | None) -> datetime:
    """From when on a row's change may have been missed by the last sweep, whatever the clocks say."""
    ago = max(0.0, 2 * DAY_SECONDS if sweep_age_seconds is None else sweep_age_seconds)
    return utc_now() - timedelta(seconds=min(ago, YEAR_SECONDS) + HOUR_SECONDS)


@asynccontextmanager
async def _alone(sessions: Sessions) -> AsyncIterator[None]:
    """Nobody else sweeps this database's storage meanwhile. Raises SweepUnderWay."""
    async with sessions() as session:
        if not await session.scalar(_ALONE):
            raise SweepUnderWay
        await session.execute(_PATIENT)
        yield


def _old(entries: Sequence[StoredObject]) -> set[str]:
    return {entry.name for entry in entries if entry.age_seconds > DAY_SECONDS}


def _too_many(sweep: SweepReport) -> str:
    return (
        f"Nothing was moved or removed: {sweep.left_over} of {sweep.files} recordings in storage have no row, more than"
        " crashes leave behind. If this is the right database all the same: python -m storage sweep --yes"
    )
