"""Work beside its caller ends with it, waits never outlast their limit, and a loop goes on after a failure."""

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from core.background import cancel, failures_logged, running, wait_for_event, wait_until_done
from core.errors import DatabaseBusy


async def _for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)  # as a task does that cleans up
        ended.append("cleaned up")


async def test_what_runs_beside_a_block_has_cleaned_up_once_the_block_is_left() -> None:
    ended: list[str] = []
    async with running(one=_for_ever(ended), two=_for_ever(ended)):
        await asyncio.sleep(0)
    assert ended == ["cleaned up"] * 2


async def test_whoever_is_cancelled_while_ending_a_task_still_waits_for_its_end() -> None:
    """The cancellation goes on only then, and isn't lost."""
    ended: list[str] = []
    task = asyncio.create_task(_for_ever(ended))
    await asyncio.sleep(0)
    ending = asyncio.create_task(cancel(task))
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert ended == ["cleaned up"]


async def test_an_outcome_that_nobody_asks_for_is_no_error_of_who_waits() -> None:
    async def fail() -> None:
        raise DatabaseBusy("for a test")

    await wait_until_done(asyncio.create_task(fail()))


async def test_a_wait_says_whether_the_event_has_come() -> None:
    event = asyncio.Event()
    assert not await wait_for_event(event, 0.01)
    event.set()
    assert await wait_for_event(event, 0)


@pytest.mark.parametrize(
    ("failure", "level", "event"),
    [(DatabaseBusy("for a test"), "warning", "no news for now"), (KeyError("a bug"), "error", "the feed stumbled")],
)
async def test_a_loop_logs_a_failure_by_its_kind_and_goes_on(failure: Exception, level: str, event: str) -> None:
    def stumble() -> None:
        raise failure

    log = structlog.get_logger("test")
    with capture_logs() as lines, failures_logged(log, unavailable="no news for now", failed="the feed stumbled"):
        stumble()
    assert [(line["log_level"], line["event"]) for line in lines] == [(level, event)]
