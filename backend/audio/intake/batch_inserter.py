"""Rows that arrive while others are being inserted go in together next, in one statement and one transaction.

A row that arrives while no insert runs goes at once, so no row waits for others. Under load more rows share a round
trip, a plan and a sync of the database's log, which is most of what a small recording costs.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from audio.intake.insert import NewRow, OutcomeUnknown, enter
from audio.model.duplicates import Original
from core.database.engine import Sessions
from core.errors import DatabaseProblem

BATCH_ROWS = 100
CONCURRENT_BATCHES = 2


@dataclass(frozen=True)
class _PendingRow:
    row: NewRow
    entered: asyncio.Future[Original | None]

    def resolve(self, outcome: Mapping[UUID, Original] | BaseException) -> None:
        if self.entered.done():  # its request was cancelled
            return
        if isinstance(outcome, BaseException):
            self.entered.set_exception(outcome)
        else:
            self.entered.set_result(outcome.get(self.row.recording.id))


class BatchInserter:
    """Inserts the rows of recordings for all requests of this process."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._pending: list[_PendingRow] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0

    async def enter(self, row: NewRow) -> Original | None:
        """Returns when the row is committed, with its job, what was there with the same bytes. Raises as `enter`."""
        entered: asyncio.Future[Original | None] = asyncio.get_running_loop().create_future()
        self._pending.append(_PendingRow(row, entered))
        if self._running < CONCURRENT_BATCHES:
            self._running += 1
            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await entered

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
                originals = await enter(session, [pending.row for pending in batch])
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
                row.resolve(originals)


def _is_caused_by_a_row(error: BaseException) -> bool:
    """Whether the database works and has refused the statement, so that the batch's other rows may be inserted."""
    return isinstance(error, Exception) and not isinstance(error, (DatabaseProblem, OutcomeUnknown))
