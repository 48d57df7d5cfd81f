"""Items that come while others are at work go together next, and none of them pays for another."""

import asyncio
from collections.abc import Sequence

import pytest

from core.batching import Batches
from core.errors import DatabaseProblem


class Work:
    """Doubles numbers once it may, and remembers which came together; refuses what it is told to."""

    def __init__(self, *, refuses: int | None = None, error: Exception | None = None) -> None:
        self.batches: list[list[int]] = []
        self.may = asyncio.Event()
        self._refuses = refuses
        self._error = error

    async def double(self, numbers: Sequence[int]) -> Sequence[int]:
        """The doubles."""
        self.batches.append(list(numbers))
        await self.may.wait()
        if self._error is not None and self._refuses in numbers:
            raise self._error
        return [2 * number for number in numbers]


async def put_all(work: Work, batches: Batches[int, int], numbers: range) -> list[asyncio.Task[int]]:
    """The tasks of numbers that were all put while the first was at work."""
    tasks = []
    for number in numbers:
        tasks.append(asyncio.create_task(batches.put(number)))
        while not work.batches:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_what_comes_meanwhile_goes_together() -> None:
    """The first goes at once, what comes while it is at work goes as one, and each has its own outcome."""
    work = Work()
    tasks = await put_all(work, Batches(work.double, concurrent=1), range(5))
    work.may.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8]
    assert work.batches == [[0], [1, 2, 3, 4]]


async def test_nothing_is_done_for_who_has_gone() -> None:
    """A request that goes away before its turn is left out."""
    work = Work()
    tasks = await put_all(work, Batches(work.double, concurrent=1), range(5))
    for task in tasks[2:4]:
        task.cancel()
    work.may.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcomes[0], outcomes[1], outcomes[4]] == [0, 2, 8]
    assert work.batches == [[0], [1, 4]]


async def test_one_that_is_refused_is_refused_alone() -> None:
    """After an error of one item each is tried by itself."""
    work = Work(refuses=2, error=ValueError("2"))
    tasks = await put_all(work, Batches(work.double, concurrent=1), range(4))
    work.may.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcomes[0], outcomes[1], outcomes[3]] == [0, 2, 6]
    assert isinstance(outcomes[2], ValueError)
    assert work.batches == [[0], [1, 2, 3], [1], [2], [3]]


async def test_what_concerns_all_is_told_to_all() -> None:
    """An error of the database isn't asked for again and again; what comes after it is tried."""
    work = Work(refuses=2, error=DatabaseProblem("gone"))
    batches = Batches(work.double, concurrent=1)
    tasks = await put_all(work, batches, range(4))
    work.may.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, *[DatabaseProblem] * 3]
    assert work.batches == [[0], [1, 2, 3]]
    assert await batches.put(5) == 10


@pytest.mark.parametrize("concurrent", [1, 2, 3])
async def test_so_many_are_under_way(concurrent: int) -> None:
    """Items that come one after the other begin so many batches; the next ones wait for their end."""
    work = Work()
    batches = Batches(work.double, concurrent=concurrent)
    tasks = []
    for number in range(5):
        tasks.append(asyncio.create_task(batches.put(number)))
        for _ in range(3):
            await asyncio.sleep(0)
    assert len(work.batches) == concurrent
    work.may.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8]
