"""What a job's headers keep of its way, for the next worker to find."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from pgqueuer.domain.models import Job as Queued


@dataclass(frozen=True, kw_only=True)
class Record:
    """How often a job has ended its worker, whether it is under way, and how often it was tried in another lane."""

    killed: int = 0
    under_way: bool = False
    earlier: int = 0

    @classmethod
    def of(cls, queued: Queued) -> "Record":
        """The record as a worker finds it. Who had the job under way before, died of it."""
        kept: dict[str, Any] = queued.headers or {}
        return cls(killed=kept.get("killed", 0) + bool(kept.get("under_way")), earlier=kept.get("earlier", 0))

    def as_json(self) -> str:
        """The headers."""
        return json.dumps({name: value for name, value in asdict(self).items() if value})
