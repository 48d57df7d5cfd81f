"""The gauges that are read from the database and storage at a scrape: the same on every server of one database."""

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.health_checks import LastHeal
from audio.upkeep.gauges import QueueGauges, read_gauges
from core.database.engine import Sessions
from storage.upkeep import Upkeep

T = TypeVar("T")
ANSWER_SECONDS = 5
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class GaugeCollector(Collector):
    """The gauges' values at one moment; None where a part didn't answer, or there is no value yet."""

    queue: QueueGauges | None = None
    sweep_age_seconds: float | None = None
    last_heal: LastHeal | None = None

    def collect(self) -> Iterator[Metric]:
        """The values that aren't None, as metrics."""
        yield GaugeMetricFamily("pegasus_database_up", "Whether the database answered.", value=self.queue is not None)
        if self.queue is not None:
            yield from _queue_metrics(self.queue)
        if self.sweep_age_seconds is not None:
            yield GaugeMetricFamily(
                "pegasus_sweep_age_seconds", "Time since the last sweep.", value=self.sweep_age_seconds
            )
        if self.last_heal is not None:
            yield from _heal_metrics(self.last_heal)


def _queue_metrics(gauges: QueueGauges) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "pegasus_uploads_open", "Resumable uploads that aren't finished.", value=gauges.open_uploads
    )
    jobs = GaugeMetricFamily("pegasus_jobs", "Jobs in the queue, by lane and state.", labels=("lane", "state"))
    for (lane, state), count in gauges.jobs.items():
        jobs.add_metric((lane, state), count)
    yield jobs
    overdue = GaugeMetricFamily(
        "pegasus_jobs_due_seconds", "For how long a lane's oldest waiting job has been due.", labels=("lane",)
    )
    for lane, seconds in gauges.due_seconds.items():
        overdue.add_metric((lane,), max(0.0, seconds))
    yield overdue


def _heal_metrics(heal: LastHeal) -> Iterator[Metric]:
    info = GaugeMetricFamily("pegasus_last_heal_info", "The last heal's verdict.", labels=("verdict", "outcome"))
    info.add_metric((heal.verdict, heal.outcome), 1)
    yield info
    at = heal.at.timestamp()
    yield GaugeMetricFamily("pegasus_last_heal_timestamp_seconds", "When the last heal began.", value=at)
    if heal.seconds is not None:
        yield GaugeMetricFamily("pegasus_last_heal_duration_seconds", "How long it took.", value=heal.seconds)


@dataclass(frozen=True, kw_only=True)
class ScrapeGauges:
    """Reads the gauges."""

    sessions: Sessions
    upkeep: Upkeep
    last_heal: LastHeal | None

    async def read(self) -> GaugeCollector:
        """The current values; None for a part that doesn't answer in time."""
        queue, sweep_age_seconds = await asyncio.gather(
            _value("database", read_gauges(self.sessions)),
            _value("storage", self.upkeep.sweep_age_seconds()),
        )
        return GaugeCollector(queue=queue, sweep_age_seconds=sweep_age_seconds, last_heal=self.last_heal)


async def _value(part: str, value: Awaitable[T]) -> T | None:
    try:
        return await asyncio.wait_for(value, ANSWER_SECONDS)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with a part, the other metrics are returned
        log.warning("not measured", part=part, reason=str(error) or type(error).__name__)
        return None
