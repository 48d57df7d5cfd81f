"""Runs the sweeper at the server's start and then at intervals, beside the requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from audio.upkeep.pairing import ensure_paired
from audio.upkeep.sweeper import Sweeper, SweepInProgress
from core.background import failures_logged, running
from core.errors import PegasusError

HOUR_SECONDS = 60 * 60
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule of sweeps. Each of many processes sweeps only where no other did recently; 0 hours: never."""

    sweeper: Sweeper
    every_hours: float

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Pairs a new database with a new storage before the first upload, and sweeps while inside the block.

        The server starts also when they can't be paired: the reason is logged, and nothing is swept.
        """
        is_paired = True
        try:
            await ensure_paired(self.sweeper.sessions, self.sweeper.upkeep)
        except PegasusError as error:
            is_paired = False
            log.warning("the sweeper doesn't work", reason=str(error))
        if not self.every_hours:
            yield
            return
        async with running(sweeper=self._sweep_for_ever(at_once=is_paired)):
            yield

    async def _sweep_for_ever(self, *, at_once: bool) -> None:
        period = self.every_hours * HOUR_SECONDS
        recent_seconds = min(HOUR_SECONDS, period / 2)  # another process has started at the same time
        if not at_once:
            await asyncio.sleep(period)
        while True:
            await self._sweep(unless_within=recent_seconds)
            await asyncio.sleep(period)
            recent_seconds = period / 2

    async def _sweep(self, *, unless_within: float) -> None:
        with (
            failures_logged(
                log, expected=PegasusError, unavailable="the sweeper doesn't work", failed="the sweeper failed"
            ),
            suppress(SweepInProgress),
        ):
            sweep = await self.sweeper.sweep(unless_within=unless_within)
            if sweep is not None:
                sweep.log()
