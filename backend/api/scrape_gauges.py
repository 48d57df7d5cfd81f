"""What isn't counted as it happens but asked for at a scrape: every server on one database tells the same."""

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
    """The facts at one moment; None where a part didn't answer, or there is nothing to tell yet."""

    census: QueueGauges | None = None
    sweep_age_seconds: float | None = None
    last_heal: LastHeal | None = None

    def collect(self) -> Iterator[Metric]:
        """Those that are known, as metrics."""
        yield GaugeMetricFamily("pegasus_database_up", "Whether the database answered.", value=self.census is not None)
        if self.census is not None:
            yield from _counted(self.census)
        if self.sweep_age_seconds is not None:
            yield GaugeMetricFamily(
                "pegasus_sweep_age_seconds", "Time since the last sweep.", value=self.sweep_age_seconds
            )
        if self.last_heal is not None:
            yield from _healed(self.last_heal)


def _counted(census: QueueGauges) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "pegasus_uploads_open", "Resumable uploads that aren't finished.", value=census.open_uploads
    )
    jobs = GaugeMetricFamily("pegasus_jobs", "Jobs in the queue, by lane and state.", labels=("lane", "state"))
    for (lane, state), count in census.jobs.items():
        jobs.add_metric((lane, state), count)
    yield jobs
    due = GaugeMetricFamily(
        "pegasus_jobs_due_seconds", "For how long a lane's oldest waiting job has been due.", labels=("lane",)
    )
    for lane, seconds in census.due_seconds.items():
        due.add_metric((lane,), max(0.0, seconds))
    yield due


def _healed(heal: LastHeal) -> Iterator[Metric]:
    info = GaugeMetricFamily("pegasus_last_heal_info", "The last heal's verdict.", labels=("verdict", "outcome"))
    info.add_metric((heal.verdict, heal.outcome), 1)
    yield info
    at = heal.at.timestamp()
    yield GaugeMetricFamily("pegasus_last_heal_timestamp_seconds", "When the last heal began.", value=at)
    if heal.seconds is not None:
        yield GaugeMetricFamily("pegasus_last_heal_duration_seconds", "How long it took.", value=heal.seconds)


@dataclass(frozen=True, kw_only=True)
class ScrapeGauges:
    """Where the facts are asked for."""

    sessions: Sessions
    upkeep: Upkeep
    last_heal: LastHeal | None

    async def facts(self) -> GaugeCollector:
        """The facts as they are now; what doesn't answer in time is left out."""
        census, sweep_age_seconds = await asyncio.gather(
            _answer("database", read_gauges(self.sessions)), _answer("storage", self.upkeep.sweep_age_seconds())
        )
        return GaugeCollector(census=census, sweep_age_seconds=sweep_age_seconds, last_heal=self.last_heal)


async def _answer(part: str, question: Awaitable[T]) -> T | None:
    try:
        return await asyncio.wait_for(question, ANSWER_SECONDS)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with a part, the other metrics are told
        log.warning("not measured", part=part, reason=str(error) or type(error).__name__)
        return None
