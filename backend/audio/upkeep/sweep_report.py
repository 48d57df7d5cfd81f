"""The result of a sweep, as a value and as text."""

from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import structlog

from core.observability import metrics

LISTED_IDS = 100
log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class SweepReport:
    """Counts of recordings; a recording's manifest isn't counted as a file."""

    rows: int = 0
    rows_without_bytes: int = 0
    some_without_bytes: list[UUID] = field(default_factory=list)
    rows_without_manifest: int = 0
    manifests_renewed: int = 0
    put_back: int = 0
    files: int = 0
    others: int = 0
    left_over: int = 0
    quarantined: int = 0
    expired: int = 0
    stopped: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The report as JSON's types."""
        return asdict(self) | {"some_without_bytes": [str(identity) for identity in self.some_without_bytes]}

    def __str__(self) -> str:
        lines = [
            f"{self.rows} rows, {self.files} recordings in storage.",
            _line(self.rows_without_bytes, "rows without bytes, which nobody changes:"),
            *(f"  {identity}" for identity in self.some_without_bytes),
            _line(self.rows_without_bytes - len(self.some_without_bytes), "more, which `verify` lists"),
            _line(self.put_back, "recordings put back, for their rows are there again"),
            _line(self.manifests_renewed, "manifests were behind their rows, and say now what these say"),
            _line(self.rows_without_manifest, "rows from before there were manifests"),
            _line(self.others, "files that Pegasus didn't name, left alone"),
            _line(self.left_over, "recordings or manifests without a row, older than a day"),
            _line(self.quarantined, "of them put into quarantine"),
            _line(self.expired, "unfinished uploads expired"),
            *([self.stopped] if self.stopped else []),
        ]
        return "\n".join(line for line in lines if line)

    def log(self) -> None:
        """Logs the report, with ids and without paths, and updates the metrics."""
        counts = {name: count for name, count in asdict(self).items() if isinstance(count, int)}
        (log.info if any(counts.values()) else log.debug)("storage swept", **counts)
        metrics.record_sweep(counts | {"stopped": self.stopped is not None})
        if self.rows_without_bytes:
            ids = [str(identity) for identity in self.some_without_bytes]
            log.warning("recordings without their bytes", number=self.rows_without_bytes, recordings=ids)
        if self.quarantined:
            log.warning("recordings without a row were put into quarantine", number=self.quarantined)
        if self.stopped:
            log.warning("the sweep stopped", reason=self.stopped)


def _line(number: int, text: str) -> str:
    return f"{number} {text}" if number else ""
