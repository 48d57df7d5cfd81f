"""/metrics: what Pegasus counts and measures, for Prometheus; where tokens are needed, for an admin's."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from api.guards.authentication import METRICS_PATH, AdminNeeded, AuthenticatedCaller
from api.scrape_gauges import GaugeCollector
from api.services import CurrentServices
from core.observability import metrics

router = APIRouter(tags=["health"])
SHOWN: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "In Prometheus' text format"}
}


@router.get(METRICS_PATH, response_class=Response, responses=SHOWN)
async def scrape(request: Request, services: CurrentServices, caller: AuthenticatedCaller) -> Response:
    """Tells what is counted and measured, for Prometheus; where tokens are needed, to an admin's."""
    if caller.owner is not None:
        raise AdminNeeded
    facts = await services.gauges.facts()
    encode, media_type = _encoder(request.headers.get("accept", ""))
    return Response(await asyncio.to_thread(lambda: encode(_everything(facts))), media_type=media_type)


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """What writes metrics in the form that the header Accept asks for; one that makes no sense asks for none."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):
        return choose_encoder("")


def _everything(facts: GaugeCollector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(facts)
    registry.register(metrics.collected())
    return registry
