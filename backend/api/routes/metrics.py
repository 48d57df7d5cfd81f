"""/metrics: the metrics for Prometheus; with tokens, for admins only."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from api.guards.credentials import METRICS_PATH, UnrestrictedCaller
from api.schemas import PROBLEM_RESPONSES
from api.services import CurrentServices
from core.observability import metrics

router = APIRouter(tags=["health"], responses=PROBLEM_RESPONSES)
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "In Prometheus' text format"}
}


@router.get(METRICS_PATH, operation_id="metrics", response_class=Response, responses=RESPONSES)
async def scrape(request: Request, services: CurrentServices, _caller: UnrestrictedCaller) -> Response:
    """Tells what is counted and measured, for Prometheus; where tokens are needed, to an admin's."""
    registry = CollectorRegistry()
    registry.register(await services.gauges.read())
    registry.register(metrics.collected())
    encode, media_type = _encoder(request.headers.get("accept", ""))
    return Response(await asyncio.to_thread(encode, registry), media_type=media_type)


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """The encoder for the header Accept, and its media type; a malformed header counts as none."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):
        return choose_encoder("")
