"""/health: whether the process lives, and whether it can take recordings in right now."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from audio import repository
from audio.processing.decoder_process import Box
from audio.repository import Sessions
from core.logging import log_failure
from storage.contract import Storage

ANSWER_SECONDS = 5
Wellness = Literal["well", "not well", "not checked"]

log = structlog.get_logger(__name__)
router = APIRouter(tags=["health"])


@dataclass(frozen=True, kw_only=True)
class Health:
    """Asks the parts that a recording needs; of the schema it knows whether it was verified at the start."""

    sessions: Sessions
    storage: Storage
    schema_verified: bool
    last_heal: "LastHeal | None" = None
    decoder: Box | None = None

    async def parts(self) -> Mapping[str, Wellness]:
        """How each part is now."""
        database, storage = await asyncio.gather(
            _answers("database", self._ask_database()), _answers("storage", self.storage.check())
        )
        return {
            "schema": "well" if self.schema_verified else "not checked",
            "database": "well" if database else "not well",
            "storage": "well" if storage else "not well",
        }

    async def _ask_database(self) -> None:
        async with self.sessions() as session:
            await repository.check_writable(session)


async def _answers(part: str, question: Awaitable[None]) -> bool:
    try:
        await asyncio.wait_for(question, ANSWER_SECONDS)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with a part, the answer is that it isn't well
        log_failure(log.warning, "not ready", error, part=part)
        return False
    return True


class LastHeal(BaseModel):
    """The last thing that was done to the database's schema: when, in a sentence, and as the journal has it."""

    at: datetime
    sentence: str
    verdict: str
    outcome: str
    seconds: float | None


class Readiness(BaseModel):
    """Whether recordings can be taken in, which part stands in the way, and what was last healed.

    `decoder` has the layers that close the box in which recordings are decoded; none where this server decodes nothing.
    A server that is `draining` has been told to stop: whoever shares requests out sends it no more.
    """

    status: Literal["ready", "not ready"]
    parts: dict[str, Wellness]
    draining: bool
    last_heal: LastHeal | None
    decoder: Box | None


NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": Readiness, "description": "Not ready."}}


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


@router.get("/health/live")
async def live() -> Liveness:
    """Answers as long as the process lives."""
    return Liveness()


@router.get("/health", responses=NOT_READY)
@router.get("/health/ready", responses=NOT_READY)
async def ready(request: Request, response: Response) -> Readiness:
    """Answers 200 when the schema was verified, the database and storage answer now, and the server doesn't stop.

    Else it answers 503, and says what stands in the way.

    With MIGRATIONS=off somebody else verifies the schema; then it is told as not checked, and holds nobody up.
    """
    health: Health = request.state.health
    parts = await health.parts()
    draining = request.state.stopping.is_set()
    well = "not well" not in parts.values() and not draining
    response.status_code = 200 if well else 503
    status: Literal["ready", "not ready"] = "ready" if well else "not ready"
    return Readiness(
        status=status, parts=dict(parts), draining=draining, last_heal=health.last_heal, decoder=health.decoder
    )
