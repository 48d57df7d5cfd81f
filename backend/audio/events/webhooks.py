"""Webhooks: tells other servers that a recording is completed or has failed, signed, and again until they take it.

What is to be sent is entered in the transaction that numbers the event, so it is sent at least once; its id stays the
same, by which a receiver knows what it has already had.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.event_log import Event
from audio.events.webhook_deliveries import LOOK_SECONDS, Deliveries, Delivery, enter
from audio.events.webhook_endpoint import Endpoint, headers_of
from audio.model.audio_file import ProcessingStatus
from core.database.engine import Sessions
from core.errors import DatabaseProblem
from core.observability.logging import log_failure
from core.outbound_http import NotReached, OutboundHttp

log = structlog.get_logger(__name__)
ENDS = {ProcessingStatus.COMPLETED, ProcessingStatus.FAILED}
PAUSES = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)  # seconds after each attempt
GONE = 410  # the receiver wants no more of it


@dataclass(kw_only=True)
class Webhooks:
    """Enters what is to be sent, and sends it."""

    sessions: Sessions
    endpoints: Sequence[Endpoint]
    secret: bytes = field(repr=False)
    outbound: OutboundHttp
    pauses: Sequence[float] = field(default_factory=lambda: PAUSES)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def follow(self, session: AsyncSession, changes: Sequence[Event]) -> None:
        """Enters deliveries for those of the changes that end a recording's way."""
        bodies = [_body(event) for event in changes if event.change == "progressed" and _status(event) in ENDS]
        await enter(session, bodies, to=self.endpoints)

    def wake(self, _said: str | None = None) -> None:
        """There may be something to be sent."""
        self._woken.set()

    async def run(self) -> None:
        """Sends until cancelled, to each endpoint at its own pace."""
        await asyncio.gather(*(self._serve(endpoint) for endpoint in self.endpoints))

    async def _serve(self, endpoint: Endpoint) -> None:
        waiting = Deliveries(sessions=self.sessions, endpoint=endpoint)
        while True:
            woken = self._woken
            seconds: float = LOOK_SECONDS
            try:
                await waiting.forget_old()
                while due := await waiting.claim():
                    await asyncio.gather(*(self._deliver(delivery, waiting) for delivery in due))
                seconds = await waiting.seconds_until_due()
            except DatabaseProblem as problem:
                log_failure(log.warning, "no webhooks for now", problem)
                seconds = 1
            except Exception as error:
                log.exception("webhooks stumbled", error=type(error).__name__)
            await self._wait(woken, seconds)

    async def _wait(self, woken: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await woken.wait()
        if woken.is_set() and woken is self._woken:
            self._woken = asyncio.Event()

    async def _deliver(self, delivery: Delivery, waiting: Deliveries) -> None:
        told = {"delivery": str(delivery.id), "endpoint": waiting.endpoint.shown, "attempt": delivery.attempts}
        try:
            status = await self._send(delivery, to=waiting.endpoint)
            taken, reason = status // 100 == 2, f"the answer was {status}"  # noqa: PLR2004 - any 2xx
        except NotReached as problem:
            status, taken, reason = None, False, problem.reason
        if taken:
            log.info("webhook delivered", **told)
        elif status == GONE or delivery.attempts > len(self.pauses):
            log.error("webhook given up", reason=reason, **told)
        else:
            log.warning("webhook not delivered", reason=reason, **told)
            pause = self.pauses[delivery.attempts - 1] * random.uniform(1, 1.2)  # noqa: S311 - not all at one time
            await waiting.put_off(delivery, seconds=pause)
            return
        await waiting.forget(delivery)

    async def _send(self, delivery: Delivery, *, to: Endpoint) -> int:
        body = delivery.body.encode()
        headers = headers_of(body, to=to, delivery_id=f"msg_{delivery.id.hex}", secret=self.secret)
        return await self.outbound.post(to.url, body, headers=headers)


def _status(event: Event) -> str:
    return str(json.loads(event.told).get("processing_status"))


def _body(event: Event) -> str:
    """What is sent (Standard Webhooks: type, timestamp, data)."""
    timestamp = event.created_at.astimezone(UTC).isoformat()
    return f'{{"type": "recording.{_status(event)}", "timestamp": "{timestamp}", "data": {event.told}}}'
