"""Items that come while others are at work go together next: in one statement, one transaction, one sync of the log.

An item that comes while nothing is at work goes at once, so none waits for others. Under load more items share a round
trip and a plan, which is most of what a small request costs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.errors import DatabaseProblem

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
BATCH_ITEMS = 100
CONCURRENT_BATCHES = 2


@dataclass(frozen=True)
class _Pending(Generic[Item, Outcome]):
    item: Item
    outcome: asyncio.Future[Outcome]

    def resolve(self, outcome: Outcome) -> None:
        if not self.outcome.done():  # its request was cancelled
            self.outcome.set_result(outcome)

    def fail(self, error: BaseException) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)


class Batches(Generic[Item, Outcome]):
    """Does `work` for the items of all requests of this process; it returns their outcomes in the same order.

    Where it raises one of `common` errors, that is the outcome of all items; after any other each is tried alone. So
    many batches are under way at a time as `concurrent` says.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        common: tuple[type[Exception], ...] = (DatabaseProblem,),
        concurrent: int = CONCURRENT_BATCHES,
    ) -> None:
        self._work = work
        self._common = common
        self._concurrent = concurrent
        self._pending: list[_Pending[Item, Outcome]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0

    async def put(self, item: Item) -> Outcome:
        """The outcome of one item. Raises what `work` raises."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(item, outcome))
        if self._running < self._concurrent:
            self._running += 1
            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await outcome

    async def _drain(self) -> None:
        try:
            while self._pending:
                batch = [pending for pending in self._pending[:BATCH_ITEMS] if not pending.outcome.cancelled()]
                del self._pending[:BATCH_ITEMS]
                if batch:
                    await self._run(batch)
        finally:
            self._running -= 1

    async def _run(self, batch: Sequence[_Pending[Item, Outcome]]) -> None:
        try:
            outcomes = await self._work([pending.item for pending in batch])
        except BaseException as error:
            if len(batch) > 1 and isinstance(error, Exception) and not isinstance(error, self._common):
                for pending in batch:
                    await self._run([pending])
                return
            for pending in batch:
                pending.fail(error)
            if not isinstance(error, Exception):
                raise
        else:
            for pending, outcome in zip(batch, outcomes, strict=True):
                pending.resolve(outcome)
