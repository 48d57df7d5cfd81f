"""Rows that arrive while others are being inserted go in together next, in one statement and one transaction.

A row that arrives while no insert runs goes at once, so no row waits for others. Under load more rows share a round
trip, a plan and a sync of the database's log, which is most of what a small recording costs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from audio.intake.insert import FinishedUpload, OutcomeUnknown, enter
from audio.model.audio_file import AudioFile
from core.database.engine import Sessions
from core.errors import DatabaseProblem
from core.observability.trace_context import TraceContext

BATCH_ROWS = 100
CONCURRENT_BATCHES = 2


@dataclass(frozen=True)
class _PendingRow:
    recording: AudioFile
    trace: TraceContext
    upload: FinishedUpload | None
    entered: asyncio.Future[None]

    def resolve(self, error: BaseException | None) -> None:
        if self.entered.done():  # its request was cancelled
            return
        if error is None:
            self.entered.set_result(None)
        else:
            self.entered.set_exception(error)


class BatchInserter:
    """Inserts the rows of recordings for all requests of this process."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._pending: list[_PendingRow] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0

    async def enter(self, recording: AudioFile, *, upload: FinishedUpload | None = None) -> None:
        """Returns when the row is committed, with its job and its `upload`. Raises as `enter` does."""
        entered = asyncio.get_running_loop().create_future()
        self._pending.append(_PendingRow(recording, TraceContext.current(), upload, entered))
        if self._running < CONCURRENT_BATCHES:
            self._running += 1
            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await entered

    async def _drain(self) -> None:
        try:
            while self._pending:
                batch = self._pending[:BATCH_ROWS]
                del self._pending[:BATCH_ROWS]
                await self._enter(batch)
        finally:
            self._running -= 1

    async def _enter(self, batch: Sequence[_PendingRow]) -> None:
        try:
            async with self._sessions() as session:
                await enter(
                    session,
                    [row.recording for row in batch],
                    origins=[row.trace for row in batch],
                    uploads=[row.upload for row in batch],
                )
        except BaseException as error:
            if len(batch) > 1 and _is_caused_by_a_row(error):
                for row in batch:
                    await self._enter([row])
                return
            for row in batch:
                row.resolve(error)
            if not isinstance(error, Exception):
                raise
        else:
            for row in batch:
                row.resolve(None)


def _is_caused_by_a_row(error: BaseException) -> bool:
    """Whether the database works and has refused the statement, so that the batch's other rows may be inserted."""
    return isinstance(error, Exception) and not isinstance(error, (DatabaseProblem, OutcomeUnknown))
