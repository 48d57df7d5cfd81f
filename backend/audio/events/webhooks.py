"""Sends signed webhooks when a recording is completed or has failed, with retries.

A delivery is inserted in the transaction that numbers the event, so it is sent at least once; its id stays the same, by
which a receiver recognises duplicates.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from http import HTTPStatus
from typing import ClassVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.event_log import Event
from audio.events.webhook_deliveries import CHANNEL, Deliveries, Delivery, enter
from audio.events.webhook_endpoint import Endpoint, headers_of
from audio.model.audio_file import ProcessingStatus
from core.background import failures_logged, wait_for_event
from core.database.engine import Sessions
from core.outbound_http import NotReached, OutboundHttp

log = structlog.get_logger(__name__)
ENDS = {ProcessingStatus.COMPLETED, ProcessingStatus.FAILED}
PAUSES = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)  # seconds after each attempt
RETRY_SECONDS = 1.0


@dataclass(kw_only=True)
class Webhooks:
    """Inserts deliveries, and sends them. A notification on `channel` says that some were inserted."""

    channel: ClassVar[str] = CHANNEL
    sessions: Sessions
    endpoints: Sequence[Endpoint]
    secret: bytes = field(repr=False)
    outbound: OutboundHttp
    pauses: Sequence[float] = field(default_factory=lambda: PAUSES)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def follow(self, session: AsyncSession, changes: Sequence[Event]) -> None:
        """Inserts deliveries for the changes to a final status."""
        bodies = [_body(event) for event in changes if event.change == "progressed" and _status(event) in ENDS]
        await enter(session, bodies, to=self.endpoints)

    def wake(self, _payload: str | None = None) -> None:
        """Looks for deliveries at once; called on a notification."""
        self._woken.set()

    async def run(self) -> None:
        """Sends until cancelled, to each endpoint at its own pace."""
        await asyncio.gather(*(self._serve(endpoint) for endpoint in self.endpoints))

    async def _serve(self, endpoint: Endpoint) -> None:
        deliveries = Deliveries(sessions=self.sessions, endpoint=endpoint)
        while True:
            woken, seconds = self._woken, RETRY_SECONDS
            with failures_logged(log, unavailable="no webhooks for now", failed="webhooks stumbled"):
                await deliveries.remove_old()
                while batch := await deliveries.claim():
                    await asyncio.gather(*(self._deliver(delivery, deliveries) for delivery in batch))
                seconds = await deliveries.seconds_until_next()
            if await wait_for_event(woken, seconds) and woken is self._woken:
                self._woken = asyncio.Event()

    async def _deliver(self, delivery: Delivery, deliveries: Deliveries) -> None:
        fields = {"delivery": str(delivery.id), "endpoint": deliveries.endpoint.origin, "attempt": delivery.attempts}
        try:
            status = await self._send(delivery, to=deliveries.endpoint)
            accepted, reason = status // 100 == 2, f"the answer was {status}"  # noqa: PLR2004 - any 2xx
        except NotReached as problem:
            status, accepted, reason = None, False, problem.reason
        if accepted:
            log.info("webhook delivered", **fields)
        elif status == HTTPStatus.GONE or delivery.attempts > len(self.pauses):  # 410: it has unsubscribed
            log.error("webhook given up", reason=reason, **fields)
        else:
            log.warning("webhook not delivered", reason=reason, **fields)
            pause = self.pauses[delivery.attempts - 1] * random.uniform(1, 1.2)  # noqa: S311 - jitter
            await deliveries.postpone(delivery, seconds=pause)
            return
        await deliveries.remove(delivery)

    async def _send(self, delivery: Delivery, *, to: Endpoint) -> int:
        body = delivery.body.encode()
        headers = headers_of(body, to=to, delivery_id=f"msg_{delivery.id.hex}", secret=self.secret)
        return await self.outbound.post(to.url, body, headers=headers)


def _status(event: Event) -> str:
    return str(json.loads(event.told).get("processing_status"))


def _body(event: Event) -> str:
    """The body (Standard Webhooks: type, timestamp, data)."""
    timestamp = event.created_at.astimezone(UTC).isoformat()
    return f'{{"type": "recording.{_status(event)}", "timestamp": "{timestamp}", "data": {event.told}}}'
