"""What a job's headers keep of its way, for the next worker to find."""

import json
from dataclasses import dataclass
from typing import Any

from pgqueuer.domain.models import Job as Queued

from core.observability.trace_context import UNKNOWN, TraceContext


@dataclass(frozen=True, kw_only=True)
class JobHistory:
    """How often a job's worker or decoder was killed, and how often it failed for a reason that counts.

    Besides that, whether it is under way, how often another lane tried it, and the request that it comes from.
    """

    killed: int = 0
    unanswered: int = 0
    failed: int = 0
    under_way: bool = False
    earlier: int = 0
    origin: TraceContext = UNKNOWN

    @classmethod
    def of(cls, queued: Queued) -> "JobHistory":
        """The record as a worker finds it. Who had the job under way before, died of it."""
        headers: dict[str, Any] = queued.headers or {}
        return cls(
            killed=headers.get("killed", 0) + bool(headers.get("under_way")),
            unanswered=headers.get("unanswered", 0),
            failed=headers.get("failed", 0),
            earlier=headers.get("earlier", 0),
            origin=TraceContext.from_dict(headers),
        )

    def as_json(self) -> str:
        """The headers."""
        counts = {name: value for name, value in vars(self).items() if name != "origin"}
        return json.dumps({name: value for name, value in counts.items() if value} | self.origin.as_dict())
