"""Gauges for monitoring: open uploads, and jobs by lane and state."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select, text

from audio.processing.jobs import Lane
from core.database.engine import Sessions
from core.database.pgqueuer_setup import JOBS
from core.database.system_tables import uploads

STATES = ("queued", "picked", "failed")
# Monitoring must not become the load itself: a queue that is too long isn't counted.
_BOUNDED = text("SET LOCAL statement_timeout = '2s'")
_OPEN_UPLOADS = (
    select(func.count()).select_from(uploads).where(uploads.c.recording_id.is_(None), uploads.c.expires_at > func.now())
)
_JOBS = text(
    "SELECT entrypoint, status::text, count(*),"  # noqa: S608 - a name of ours
    " coalesce(extract(epoch FROM clock_timestamp() - min(execute_after) FILTER (WHERE status = 'queued')), 0)"
    f" FROM {JOBS} GROUP BY entrypoint, status"
)


@dataclass(frozen=True, kw_only=True)
class QueueGauges:
    """How many unfinished uploads and jobs there are, and for how long a lane's oldest queued job has been due."""

    open_uploads: int
    jobs: Mapping[tuple[Lane, str], int]
    due_seconds: Mapping[Lane, float]


async def read_gauges(sessions: Sessions) -> QueueGauges:
    """Queries the database. Raises DatabaseProblem."""
    jobs = {(lane, state): 0 for lane in Lane for state in STATES}
    due_seconds = dict.fromkeys(Lane, 0.0)
    async with sessions() as session:
        await session.execute(_BOUNDED)
        open_uploads = await session.scalar(_OPEN_UPLOADS) or 0
        for entrypoint, state, count, seconds in await session.execute(_JOBS):
            if entrypoint in set(Lane) and state in STATES:
                jobs[Lane(entrypoint), state] = count
                due_seconds[Lane(entrypoint)] = max(due_seconds[Lane(entrypoint)], float(seconds))
    return QueueGauges(open_uploads=open_uploads, jobs=jobs, due_seconds=due_seconds)
