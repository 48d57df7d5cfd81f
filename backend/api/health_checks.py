"""Readiness checks of the parts that recordings need."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog
from pydantic import BaseModel

from audio.model import repository
from audio.processing.decoder_process import Sandbox
from core.database.engine import Sessions
from core.observability.logging import log_failure
from storage.contract import Storage

ANSWER_SECONDS = 5
Wellness = Literal["well", "not well", "not checked"]

log = structlog.get_logger(__name__)


class LastHeal(BaseModel):
    """The last thing that was done to the database's schema: when, in a sentence, and as the journal has it."""

    at: datetime
    sentence: str
    verdict: str
    outcome: str
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Health:
    """Checks the database and storage; the schema was verified, or not, at the start."""

    sessions: Sessions
    storage: Storage
    schema_verified: bool
    last_heal: LastHeal | None = None
    decoder: Sandbox | None = None

    async def parts(self) -> Mapping[str, Wellness]:
        """The current state of each part."""
        database, storage = await asyncio.gather(
            _passes("database", self._check_database()), _passes("storage", self.storage.check())
        )
        return {
            "schema": "well" if self.schema_verified else "not checked",
            "database": "well" if database else "not well",
            "storage": "well" if storage else "not well",
        }

    async def _check_database(self) -> None:
        async with self.sessions() as session:
            await repository.check_writable(session)


async def _passes(part: str, check: Awaitable[None]) -> bool:
    try:
        await asyncio.wait_for(check, ANSWER_SECONDS)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with a part, it isn't well
        log_failure(log.warning, "not ready", error, part=part)
        return False
    return True
