"""Entrance: rows that come while others are being entered go in together next, in one statement and one transaction.

Nobody waits for company: a row that comes when none is under way goes at once. The more come, the more share a round
trip, a plan and a sync of the database's log, which is most of what a small recording costs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from audio.intake.insert import OutcomeUnknown, enter
from audio.model.audio_file import AudioFile
from core.database.engine import Sessions
from core.errors import DatabaseProblem
from core.observability.trace_context import TraceContext

AT_ONCE = 100
AT_A_TIME = 2


@dataclass(frozen=True)
class _Waiting:
    recording: AudioFile
    origin: TraceContext
    entered: asyncio.Future[None]

    def tell(self, error: BaseException | None) -> None:
        if self.entered.done():  # whoever waited has gone
            return
        if error is None:
            self.entered.set_result(None)
        else:
            self.entered.set_exception(error)


class BatchInserter:
    """The way of rows into the table."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting: list[_Waiting] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._at_work = 0

    async def enter(self, recording: AudioFile) -> None:
        """Returns when the row is committed, with its job. Raises as `enter` does."""
        entered = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(recording, TraceContext.current(), entered))
        if self._at_work < AT_A_TIME:
            self._at_work += 1
            task = asyncio.create_task(self._enter_all())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        await entered

    async def _enter_all(self) -> None:
        try:
            while self._waiting:
                together = self._waiting[:AT_ONCE]
                del self._waiting[:AT_ONCE]
                await self._enter(together)
        finally:
            self._at_work -= 1

    async def _enter(self, together: Sequence[_Waiting]) -> None:
        try:
            async with self._sessions() as session:
                recordings, origins = [one.recording for one in together], [one.origin for one in together]
                await enter(session, recordings, origins=origins)
        except BaseException as error:
            if len(together) > 1 and _is_one_rows_fault(error):
                for waiting in together:
                    await self._enter([waiting])
                return
            for waiting in together:
                waiting.tell(error)
            if not isinstance(error, Exception):
                raise
        else:
            for waiting in together:
                waiting.tell(None)


def _is_one_rows_fault(error: BaseException) -> bool:
    """Whether the other rows may go in without the one: the database is there, and has refused the statement."""
    return isinstance(error, Exception) and not isinstance(error, (DatabaseProblem, OutcomeUnknown))
