"""A worker's time on one connection: what becomes of each job that PgQueuer hands to it.

PgQueuer gives a killed worker's jobs to others once its heartbeat has failed, and doesn't count how often that
happened. So the job's record keeps it, and how often the decoder alone was killed: what is killed every time ends as
failed, and meanwhile runs alone.

A job goes from lane to lane as one row, so that there is never more than one for a recording.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job as Queued

from audio.processing.concurrency_limit import ConcurrencyLimit
from audio.processing.decoding import DecoderKilled, DecoderUnavailable
from audio.processing.job_history import JobHistory
from audio.processing.jobs import Job, Lane
from audio.processing.pipeline import Pipeline
from audio.processing.retry_policy import RetryPolicy
from audio.transcription.contract import EngineBusy, EngineUnreachable
from core.database.job_queue import CHANNEL, JOBS, DriverConnection, queue_on
from core.errors import DatabaseProblem, PegasusError
from core.observability.tracing import job_span
from storage.contract import StorageError

log = structlog.get_logger(__name__)
BATCH = 4
UNFORESEEN = "Processing failed for a reason that nobody foresaw; the server's log has more."
KILLED = "Processing this recording was killed {times} times, so it isn't tried again."
_NOTE = f"UPDATE {JOBS} SET headers = $2, entrypoint = $4 WHERE id = $1 AND queue_manager_id = $3 RETURNING id"  # noqa: S608


OUTAGES = (DecoderUnavailable, DatabaseProblem, StorageError, OSError)  # no recording is to blame: never counted
ENGINE_FAILURES = (EngineBusy, EngineUnreachable)


class _BrokenOff(Exception):
    """The worker stops, or has lost its connection."""


class QueueSession:
    """Takes jobs over one connection until that breaks or `take_no_more` is called."""

    def __init__(
        self,
        connection: DriverConnection,
        *,
        lanes: Sequence[Lane],
        processing: Pipeline,
        retry_policy: RetryPolicy,
        concurrency: ConcurrencyLimit,
    ) -> None:
        self._queue = queue_on(connection)
        self._processing = processing
        self._patience = retry_policy
        self._concurrency = concurrency
        self._enough = asyncio.Event()
        self._manager = QueueManager(self._queue, channel=CHANNEL)
        if Lane.QUICK not in lanes:  # who is busy for minutes needn't ask ten times a second
            self._manager.min_dequeue_poll_interval = retry_policy.poll
        for lane in lanes:
            self._manager.entrypoint(lane, accepts_context=False, on_failure="hold")(self._handle)

    @property
    def id(self) -> UUID:
        """Under which its jobs are held."""
        return self._manager.queue_manager_id

    async def work(self) -> None:
        """Returns when the last of its jobs has ended or gone back. Raises PgqException, or what the driver raises."""
        await self._manager.run(
            dequeue_timeout=self._patience.poll,
            batch_size=BATCH,
            max_concurrent_tasks=2 * BATCH,
            heartbeat_timeout=self._patience.heartbeat,
            shutdown_on_listener_failure=True,
            log_aggregation_interval=timedelta(),
        )

    def take_no_more(self) -> None:
        """Lets what is under way end, and gives back what hasn't begun."""
        self._manager.shutdown.set()

    def break_off(self) -> None:
        """Gives everything back."""
        self._manager.shutdown.set()
        self._enough.set()

    async def _handle(self, queued: Queued) -> None:
        """Ends well, or asks PgQueuer for another try: it would throw a cancelled or a failed job away."""
        record = JobHistory.of(queued)
        try:
            async with self._concurrency.seat(Lane(queued.entrypoint), alone=record.killed > 0):
                if not self._manager.shutdown.is_set():
                    with self._told(queued, record):
                        await self._settle(queued, record)
                    return
        except asyncio.CancelledError:
            log.warning("a job was broken off", job=queued.id)
        raise RetryRequested(reason="the worker stops")

    @contextmanager
    def _told(self, queued: Queued, record: JobHistory) -> Iterator[None]:
        """What is logged and traced inside of the block bears where the recording came from."""
        origin, recording_id = record.origin, Job.of(queued.payload).recording_id
        logged = {} if origin.request_id is None else {"request_id": origin.request_id}
        of_it = job_span(f"job {queued.entrypoint}", traceparent=origin.traceparent, recording_id=recording_id)
        with structlog.contextvars.bound_contextvars(**logged), of_it:
            yield

    async def _settle(self, queued: Queued, record: JobHistory) -> None:
        recording_id, lane = Job.of(queued.payload).recording_id, Lane(queued.entrypoint)
        if record.killed >= self._patience.kills:
            await self._processing.fail(recording_id, KILLED.format(times=record.killed))
            return
        if not await self._note(queued, replace(record, under_way=True)):
            raise RetryRequested(reason="another worker has it by now")  # ending well would take it from that one
        try:
            onward = await self._processed(recording_id, lane)
        except _BrokenOff:
            await self._note(queued, record)
            raise RetryRequested(reason="the worker stops") from None
        except Exception as error:  # noqa: BLE001 - whatever it is, the job goes on
            record = _counted(record, error)
            await self._note(queued, record)
            await self._after(error, queued, record, recording_id)
            return
        if onward is not None:
            await self._note(queued, JobHistory(earlier=queued.attempts + 1, origin=record.origin), lane=onward)
            raise RetryRequested(reason="it goes on in another lane")

    async def _note(self, queued: Queued, record: JobHistory, *, lane: Lane | None = None) -> bool:
        """Puts the record into the job, and the job into a lane; False where it isn't this worker's any more."""
        noted = (queued.id, record.as_json(), queued.queue_manager_id, lane or queued.entrypoint)
        return bool(await self._queue.driver.fetch(_NOTE, *noted))

    async def _processed(self, recording_id: UUID, lane: Lane) -> Lane | None:
        """The lane in which it goes on. Raises _BrokenOff, or what the processing raises."""
        work = asyncio.create_task(self._processing.process(recording_id, lane=lane))
        enough = asyncio.create_task(self._enough.wait())
        try:
            await asyncio.wait({work, enough}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise _BrokenOff
            return work.result()
        finally:
            for task in (work, enough):
                task.cancel()
            await asyncio.wait({work, enough})
            if not work.cancelled():
                work.exception()  # where it was broken off, nobody else asks how it ended

    async def _after(self, error: Exception, queued: Queued, record: JobHistory, recording_id: UUID) -> None:
        """Fails the recording where that was the last try. Raises RetryRequested where it wasn't."""
        reason = str(error) if isinstance(error, PegasusError) else UNFORESEEN
        if record.failed >= self._patience.tries or record.unanswered >= self._patience.engine_tries:
            await self._processing.fail(recording_id, reason)
            return
        log.warning(
            "processing is tried again",
            recording=str(recording_id),
            reason=str(error),
            exc_info=None if isinstance(error, PegasusError) else error,
        )
        asked = error.retry_after_seconds if isinstance(error, EngineBusy) else None
        attempts = max(0, queued.attempts - record.earlier)
        delay = self._patience.delay(attempts) if asked is None else timedelta(seconds=asked)
        raise RetryRequested(min(delay, self._patience.longest_delay), reason=type(error).__name__)


def _counted(record: JobHistory, error: Exception) -> JobHistory:
    """The record with what went wrong, which counts by its kind: an outage between two tries is none of them."""
    if isinstance(error, OUTAGES):
        return record
    if isinstance(error, DecoderKilled):
        return replace(record, killed=record.killed + 1)
    if isinstance(error, ENGINE_FAILURES):
        return replace(record, unanswered=record.unanswered + 1)
    return replace(record, failed=record.failed + 1)
