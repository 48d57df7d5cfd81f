"""Takes jobs from the queue and processes their recordings, until it is stopped."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from pgqueuer.domain.errors import PgqException

from audio.processing.concurrency_limit import ConcurrencyLimit
from audio.processing.job_runner import JobRunner
from audio.processing.jobs import Lane
from audio.processing.pipeline import Pipeline
from audio.processing.retry_policy import RetryPolicy
from core.background import failures_logged, wait_for_event
from core.database.pgqueuer_setup import JOBS, LOG, DriverConnection, queue_connection
from core.errors import DatabaseProblem

log = structlog.get_logger(__name__)
SLOW_CONCURRENCY = 4  # an engine that is busy says so, or takes one after the other
LOG_RETENTION = "7 days"
# The jobs that this worker had when its connection broke, and those that PgQueuer has marked as failed because it
# couldn't queue them again.
_REQUEUE = (
    f"UPDATE {JOBS} AS job SET status = 'queued', queue_manager_id = NULL, execute_after = now(), updated = now(),"  # noqa: S608
    " headers = headers - 'under_way' WHERE entrypoint = ANY($1)"
    " AND (status = 'failed' OR (status = 'picked' AND queue_manager_id = $2))"
    f" AND NOT EXISTS (SELECT FROM {JOBS} AS other WHERE other.dedupe_key = job.dedupe_key AND other.id <> job.id"
    " AND other.status IN ('queued', 'picked'))"
)
# A crash of PostgreSQL may undo such a commit. The job then runs again, and each step sees that it was done.
_ASYNCHRONOUS_COMMIT = "SET synchronous_commit = off"
_TRIM_LOG = f"DELETE FROM {LOG} WHERE created < now() - interval '{LOG_RETENTION}'"  # noqa: S608


@dataclass(kw_only=True)
class Worker:
    """Works on the queue in the database at `address`, over connections of its own, which must support LISTEN.

    `quick_concurrency` is how many recordings it examines at the same time.
    """

    address: str
    processing: Pipeline
    quick_concurrency: int
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    stopped: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _concurrency: ConcurrencyLimit = field(init=False)

    def __post_init__(self) -> None:
        self._concurrency = ConcurrencyLimit(quick=self.quick_concurrency, slow=SLOW_CONCURRENCY)

    def stop(self) -> None:
        """Takes no more jobs; running ones have `drain_seconds` to end, or else are queued again."""
        self.stopped.set()

    async def run(self) -> None:
        """Works until `stop`, with a connection for each lane; without an engine there are no slow jobs.

        It reconnects when the database is lost.
        """
        logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)  # its errors are logged here, once
        lanes = [[lane] for lane in Lane] if self.processing.transcribing else [list(Lane)]
        await asyncio.gather(*(self._work_on(connection_lanes) for connection_lanes in lanes))

    async def _work_on(self, lanes: Sequence[Lane]) -> None:
        last_id: UUID | None = None
        while not self.stopped.is_set():
            with failures_logged(
                log,
                expected=(DatabaseProblem, PgqException),
                unavailable="the worker can't use the queue",
                failed="the worker stumbled",
            ):
                async with queue_connection(self.address) as connection:
                    await connection.execute(_ASYNCHRONOUS_COMMIT)
                    await connection.execute(_REQUEUE, lanes, last_id)
                    await connection.execute(_TRIM_LOG)
                    job_runner = JobRunner(
                        connection,
                        lanes=lanes,
                        processing=self.processing,
                        retry_policy=self.retry_policy,
                        concurrency=self._concurrency,
                    )
                    last_id = job_runner.id
                    await self._serve(connection, job_runner)
            await wait_for_event(self.stopped, self.retry_policy.reconnect_seconds)

    async def _serve(self, connection: DriverConnection, job_runner: JobRunner) -> None:
        connection.add_termination_listener(lambda _: job_runner.cancel())
        ending = asyncio.create_task(self._end(job_runner))
        try:
            await job_runner.work()
        finally:
            ending.cancel()

    async def _end(self, job_runner: JobRunner) -> None:
        await self.stopped.wait()
        job_runner.drain()
        await asyncio.sleep(self.retry_policy.drain_seconds)
        job_runner.cancel()
