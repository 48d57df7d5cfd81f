"""One connection of a worker to the queue: runs each job that PgQueuer dequeues, and decides about retries.

PgQueuer gives a killed worker's jobs to others once its heartbeat has failed, and doesn't count how often that
happened. So the job's history counts it, and how often the decoder alone was killed. Such a job is a suspect: it runs
alone, and fails after `RetryPolicy.kills` times.

A job moves from lane to lane as one row, so that there is never more than one for a recording.
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
from core.background import cancel
from core.database.pgqueuer_setup import CHANNEL, JOBS, DriverConnection, queue_on
from core.errors import DatabaseProblem, PegasusError
from core.observability.tracing import job_span
from storage.contract import StorageError

log = structlog.get_logger(__name__)
BATCH = 4
UNEXPECTED_ERROR = "Processing failed for a reason that nobody foresaw; the server's log has more."
KILLED = "Processing this recording was killed {times} times, so it isn't tried again."
_SAVE_HISTORY = f"UPDATE {JOBS} SET headers = $2, entrypoint = $4 WHERE id = $1 AND queue_manager_id = $3 RETURNING id"  # noqa: S608


OUTAGES = (DecoderUnavailable, DatabaseProblem, StorageError, OSError)  # not caused by a recording: never counted
ENGINE_FAILURES = (EngineBusy, EngineUnreachable)


class _RunCancelled(Exception):
    """The worker stops, or has lost its connection."""


class JobRunner:
    """Runs jobs over one connection until that breaks or `drain` is called."""

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
        self._retry_policy = retry_policy
        self._concurrency = concurrency
        self._cancelled = asyncio.Event()
        self._manager = QueueManager(self._queue, channel=CHANNEL)
        if Lane.QUICK not in lanes:  # a job takes minutes, so ten polls a second aren't needed
            self._manager.min_dequeue_poll_interval = retry_policy.poll
        for lane in lanes:
            self._manager.entrypoint(lane, accepts_context=False, on_failure="hold")(self._handle)

    @property
    def id(self) -> UUID:
        """PgQueuer's id of the worker that has picked a job."""
        return self._manager.queue_manager_id

    async def work(self) -> None:
        """Returns when all of its jobs have ended or are queued again. Raises PgqException, or the driver's errors."""
        await self._manager.run(
            dequeue_timeout=self._retry_policy.poll,
            batch_size=BATCH,
            max_concurrent_tasks=2 * BATCH,
            heartbeat_timeout=self._retry_policy.heartbeat,
            shutdown_on_listener_failure=True,
            log_aggregation_interval=timedelta(),
        )

    def drain(self) -> None:
        """Takes no more jobs; running ones go on, and those that haven't started are queued again."""
        self._manager.shutdown.set()

    def cancel(self) -> None:
        """Cancels all jobs, which are queued again."""
        self._manager.shutdown.set()
        self._cancelled.set()

    async def _handle(self, queued: Queued) -> None:
        """Runs a job, or raises RetryRequested: PgQueuer would delete a job that is cancelled or raises otherwise."""
        history = JobHistory.of(queued)
        try:
            async with self._concurrency.slot(Lane(queued.entrypoint), alone=history.killed > 0):
                if not self._manager.shutdown.is_set():
                    with _log_context(queued, history):
                        await self._run_job(queued, history)
                    return
        except asyncio.CancelledError:
            log.warning("a job was broken off", job=queued.id)
        raise RetryRequested(reason="the worker stops")

    async def _run_job(self, queued: Queued, history: JobHistory) -> None:
        recording_id, lane = Job.of(queued.payload).recording_id, Lane(queued.entrypoint)
        if history.killed >= self._retry_policy.kills:
            await self._processing.fail(recording_id, KILLED.format(times=history.killed))
            return
        if not await self._save_history(queued, replace(history, under_way=True)):
            raise RetryRequested(reason="another worker has it by now")  # to return would delete it
        try:
            next_lane = await self._process(recording_id, lane)
        except _RunCancelled:
            await self._save_history(queued, history)
            raise RetryRequested(reason="the worker stops") from None
        except Exception as error:  # noqa: BLE001 - any error is counted and retried
            history = _count_failure(history, error)
            await self._save_history(queued, history)
            await self._fail_or_retry(queued, history, error)
            return
        if next_lane is not None:
            await self._save_history(
                queued, JobHistory(earlier=queued.attempts + 1, origin=history.origin), lane=next_lane
            )
            raise RetryRequested(reason="it goes on in another lane")

    async def _save_history(self, queued: Queued, history: JobHistory, *, lane: Lane | None = None) -> bool:
        """Updates the job's headers and lane; False where another worker has it by now."""
        values = (queued.id, history.as_json(), queued.queue_manager_id, lane or queued.entrypoint)
        return bool(await self._queue.driver.fetch(_SAVE_HISTORY, *values))

    async def _process(self, recording_id: UUID, lane: Lane) -> Lane | None:
        """Runs the pipeline, and returns the next lane. Raises _RunCancelled, or as `Pipeline.process`."""
        work = asyncio.create_task(self._processing.process(recording_id, lane=lane))
        cancelled = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({work, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise _RunCancelled
            return work.result()
        finally:
            await cancel(work, cancelled)

    async def _fail_or_retry(self, queued: Queued, history: JobHistory, error: Exception) -> None:
        """Fails the recording after the last try. Raises RetryRequested before."""
        recording_id = Job.of(queued.payload).recording_id
        reason = str(error) if isinstance(error, PegasusError) else UNEXPECTED_ERROR
        if history.failed >= self._retry_policy.tries or history.unanswered >= self._retry_policy.engine_tries:
            await self._processing.fail(recording_id, reason)
            return
        log.warning(
            "processing is tried again",
            recording=str(recording_id),
            reason=str(error),
            exc_info=None if isinstance(error, PegasusError) else error,
        )
        retry_after = error.retry_after_seconds if isinstance(error, EngineBusy) else None
        attempts = max(0, queued.attempts - history.earlier)
        delay = self._retry_policy.delay(attempts) if retry_after is None else timedelta(seconds=retry_after)
        raise RetryRequested(min(delay, self._retry_policy.longest_delay), reason=type(error).__name__)


@contextmanager
def _log_context(queued: Queued, history: JobHistory) -> Iterator[None]:
    """Log lines and spans inside of the block bear the request that the recording comes from."""
    origin, recording_id = history.origin, Job.of(queued.payload).recording_id
    variables = {} if origin.request_id is None else {"request_id": origin.request_id}
    span = job_span(f"job {queued.entrypoint}", traceparent=origin.traceparent, recording_id=recording_id)
    with structlog.contextvars.bound_contextvars(**variables), span:
        yield


def _count_failure(history: JobHistory, error: Exception) -> JobHistory:
    """The history with a failure counted by its kind. Outages don't count."""
    if isinstance(error, OUTAGES):
        return history
    if isinstance(error, DecoderKilled):
        return replace(history, killed=history.killed + 1)
    if isinstance(error, ENGINE_FAILURES):
        return replace(history, unanswered=history.unanswered + 1)
    return replace(history, failed=history.failed + 1)
