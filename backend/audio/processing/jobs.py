"""A recording's job: how it is put into the queue, with the row and never without it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from pgqueuer.adapters.persistence.qb import QueryQueueBuilder

from core.database.job_queue import NAMES
from core.observability.trace_context import UNKNOWN, TraceContext


class Lane(StrEnum):
    """How long a recording's next step takes, and the name in the queue of those who take such jobs.

    Nothing that takes a moment (probe, waveform, playback variant) waits behind an engine that hears an hour of speech.
    """

    QUICK = "process"
    SLOW = "transcribe"


PARAMETERS = 6  # of PgQueuer's statement: $1 to $6
# PgQueuer's own words: at most one job of a recording waits or runs, and a second one is left out without an error.
ENQUEUE = QueryQueueBuilder(settings=NAMES).build_enqueue_query("skip").strip()


def enqueue_with(first: str) -> str:
    """PgQueuer's statement with our own, `first`, before it in one WITH: both are done or neither, in one round trip.

    `first` is one or more named queries, as `entered AS (INSERT …)`, whose parameters begin at $7.
    """
    opening, with_, rest = ENQUEUE.partition("WITH ")
    if opening or not with_ or rest.startswith("RECURSIVE"):
        raise AssertionError("This PgQueuer enqueues in another way.")  # its version is pinned, and a test looks
    return f"WITH {first}, {rest}"


@dataclass(frozen=True)
class Job:
    """That a recording is to be processed, and the request that wants it."""

    recording_id: UUID
    origin: TraceContext = UNKNOWN

    @classmethod
    def of(cls, payload: bytes | None) -> "Job":
        """The job whose payload that is. Raises ValueError."""
        return cls(UUID((payload or b"").decode()))


def parameters(jobs: Sequence[Job]) -> tuple[list[object], ...]:
    """What ENQUEUE wants of each: priority, entrypoint, payload, delay, what makes it one job, and headers."""
    many, texts = len(jobs), [str(job.recording_id) for job in jobs]
    payloads: list[object] = [text.encode() for text in texts]
    headers: list[object] = [json.dumps(named) if (named := job.origin.as_dict()) else None for job in jobs]
    return [0] * many, [Lane.QUICK] * many, payloads, [timedelta()] * many, [*texts], headers
