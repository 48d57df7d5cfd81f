"""/health: liveness of the process, and its readiness to accept recordings."""

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api.health_checks import Health, LastHeal, Wellness
from api.schemas import PROBLEM_RESPONSES
from audio.processing.decoder_process import Sandbox

router = APIRouter(tags=["health"], responses=PROBLEM_RESPONSES)


class Readiness(BaseModel):
    """Whether recordings can be taken in, which part stands in the way, and what was last healed.

    `decoder` has the layers that close the box in which recordings are decoded; none where this server decodes nothing.
    A server that is `draining` has been told to stop: whoever shares requests out sends it no more.
    """

    status: Literal["ready", "not ready"]
    parts: dict[str, Wellness]
    draining: bool
    last_heal: LastHeal | None
    decoder: Sandbox | None


NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": Readiness, "description": "Not ready."}}


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


@router.get("/health/live", operation_id="live")
@router.head("/health/live", include_in_schema=False)
async def live() -> Liveness:
    """Answers as long as the process lives."""
    return Liveness()


@router.get("/health", operation_id="health", responses=NOT_READY)
@router.get("/health/ready", operation_id="ready", responses=NOT_READY)
@router.head("/health", include_in_schema=False)
@router.head("/health/ready", include_in_schema=False)
async def ready(request: Request, response: Response) -> Readiness:
    """Answers 200 when the schema was verified, the database and storage answer now, and the server doesn't stop.

    Else it answers 503, and says what stands in the way.

    With MIGRATIONS=off somebody else verifies the schema; then it is told as not checked, and holds nobody up.
    """
    health: Health = request.state.services.health
    parts = await health.parts()
    draining = request.state.services.stopping.is_set()
    is_ready = "not well" not in parts.values() and not draining
    response.status_code = 200 if is_ready else 503
    status: Literal["ready", "not ready"] = "ready" if is_ready else "not ready"
    return Readiness(
        status=status, parts=dict(parts), draining=draining, last_heal=health.last_heal, decoder=health.decoder
    )
