"""Enqueues a recording's job, always together with its row."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from pgqueuer.adapters.persistence.qb import QueryQueueBuilder

from core.database.pgqueuer_setup import NAMES
from core.observability.trace_context import UNKNOWN, TraceContext


class Lane(StrEnum):
    """PgQueuer's entrypoints, by how long a recording's next step takes.

    Quick steps (probe, waveform, playback variant) must not wait behind an engine that transcribes an hour of speech.
    """

    QUICK = "process"
    SLOW = "transcribe"


_RESULT = "SELECT i.ord"
PARAMETERS = 6  # of PgQueuer's statement: $1 to $6
# PgQueuer's statement: at most one job of a recording is queued or running; a second one is skipped without an error.
ENQUEUE = QueryQueueBuilder(settings=NAMES).build_enqueue_query("skip").strip()


def enqueue_with(first: str, *, result: str) -> str:
    """PgQueuer's statement with the queries `first` in the same WITH: both succeed or neither, in one round trip.

    `first` is one or more named queries, as `entered AS (INSERT …)`, whose parameters begin at $7. Each row, of a job
    that is enqueued, begins with the value of the query `result`.
    """
    opening, with_, rest = ENQUEUE.partition("WITH ")
    queries, select, row = rest.rpartition(_RESULT)
    if opening or not with_ or rest.startswith("RECURSIVE") or not select:
        raise AssertionError("This PgQueuer enqueues in another way.")  # its version is pinned, and a test checks it
    return f"WITH {first}, {queries} SELECT ({result}), i.ord{row}"


@dataclass(frozen=True)
class Job:
    """The job of processing a recording, and the trace of the request that enqueues it."""

    recording_id: UUID
    origin: TraceContext = UNKNOWN

    @classmethod
    def of(cls, payload: bytes | None) -> "Job":
        """Reads a job's payload. Raises ValueError."""
        return cls(UUID((payload or b"").decode()))


def parameters(jobs: Sequence[Job]) -> tuple[list[object], ...]:
    """The parameters of ENQUEUE: for each job its priority, entrypoint, payload, delay, dedupe key and headers."""
    count, texts = len(jobs), [str(job.recording_id) for job in jobs]
    payloads: list[object] = [text.encode() for text in texts]
    headers: list[object] = [json.dumps(named) if (named := job.origin.as_dict()) else None for job in jobs]
    return [0] * count, [Lane.QUICK] * count, payloads, [timedelta()] * count, [*texts], headers
