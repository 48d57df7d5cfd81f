"""A job's history, which its headers carry from worker to worker."""

import json
from dataclasses import dataclass
from typing import Any

from pgqueuer.domain.models import Job as Queued

from core.observability.trace_context import UNKNOWN, TraceContext


@dataclass(frozen=True, kw_only=True)
class JobHistory:
    """A job's failures by their kind; the fields but `origin` are keys of its headers.

    `killed`: how often its worker or decoder was killed. `unanswered`: how often its engine was busy or away. `failed`:
    how often it failed unexpectedly. `under_way`: it is running. `earlier`: how many attempts were in other lanes.
    `origin`: the trace of the request that it comes from.
    """

    killed: int = 0
    unanswered: int = 0
    failed: int = 0
    under_way: bool = False
    earlier: int = 0
    origin: TraceContext = UNKNOWN

    @classmethod
    def of(cls, queued: Queued) -> "JobHistory":
        """The history of a job that was dequeued. If it is still marked as running, its last worker was killed."""
        headers: dict[str, Any] = queued.headers or {}
        return cls(
            killed=headers.get("killed", 0) + bool(headers.get("under_way")),
            unanswered=headers.get("unanswered", 0),
            failed=headers.get("failed", 0),
            earlier=headers.get("earlier", 0),
            origin=TraceContext.from_dict(headers),
        )

    def as_json(self) -> str:
        """The job's headers."""
        counts = {name: value for name, value in vars(self).items() if name != "origin"}
        return json.dumps({name: value for name, value in counts.items() if value} | self.origin.as_dict())
