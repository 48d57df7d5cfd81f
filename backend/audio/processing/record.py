"""What a job's headers keep of its way, for the next worker to find."""

import json
from dataclasses import dataclass
from typing import Any

from pgqueuer.domain.models import Job as Queued

from core.origin import UNKNOWN, Origin


@dataclass(frozen=True, kw_only=True)
class Record:
    """How often a job's worker or decoder was killed, whether it is under way, and how often another lane tried it.

    And the request that it comes from.
    """

    killed: int = 0
    under_way: bool = False
    earlier: int = 0
    origin: Origin = UNKNOWN

    @classmethod
    def of(cls, queued: Queued) -> "Record":
        """The record as a worker finds it. Who had the job under way before, died of it."""
        kept: dict[str, Any] = queued.headers or {}
        killed = kept.get("killed", 0) + bool(kept.get("under_way"))
        return cls(killed=killed, earlier=kept.get("earlier", 0), origin=Origin.of(kept))

    def as_json(self) -> str:
        """The headers."""
        counts = {"killed": self.killed, "under_way": self.under_way, "earlier": self.earlier}
        return json.dumps({name: value for name, value in counts.items() if value} | self.origin.named())
