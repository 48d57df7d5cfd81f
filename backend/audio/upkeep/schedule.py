"""When the sweeper works: once the server has started, and from then on at intervals, beside the requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from audio.upkeep.pairing import make_sure
from audio.upkeep.sweeper import Sweeper, SweepUnderWay
from core.errors import PegasusError

HOUR_SECONDS = 60 * 60
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Many processes may have the same one: each sweeps only where no other did lately. 0 hours are never."""

    sweeper: Sweeper
    every_hours: float

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Puts a new database and a new storage together before anything is taken in; sweeps while inside the block.

        What speaks against that is no reason not to serve: it is logged, and nothing is swept.
        """
        together = True
        try:
            await make_sure(self.sweeper.sessions, self.sweeper.upkeep)
        except PegasusError as error:
            together = False
            log.warning("the sweeper doesn't work", reason=str(error))
        if not self.every_hours:
            yield
            return
        task = asyncio.create_task(self._sweep_for_ever(at_once=together), name="sweeper")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _sweep_for_ever(self, *, at_once: bool) -> None:
        period = self.every_hours * HOUR_SECONDS
        lately = min(HOUR_SECONDS, period / 2)  # another process of the same start
        if not at_once:
            await asyncio.sleep(period)
        while True:
            await self._sweep(unless_within=lately)
            await asyncio.sleep(period)
            lately = period / 2

    async def _sweep(self, *, unless_within: float) -> None:
        try:
            sweep = await self.sweeper.sweep(unless_within=unless_within)
        except SweepUnderWay:
            return
        except PegasusError as error:
            log.warning("the sweeper doesn't work", reason=str(error))
        except Exception:
            log.exception("the sweeper failed")  # and tries again the next time
        else:
            if sweep is not None:
                sweep.log()
