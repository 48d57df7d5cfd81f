"""Webhooks: tells other servers that a recording is completed or has failed, signed, and again until they take it.

What is to be sent is entered in the transaction that numbers the event, so it is sent at least once; its id stays the
same, by which a receiver knows what it has already had. Signatures are those of Standard Webhooks.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import structlog
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.numbering import Event
from audio.models import ProcessingStatus
from core.database import Sessions
from core.errors import DatabaseProblem
from core.outbound import ANSWER_SECONDS, NotReached, Outbound
from core.system_tables import deliveries

log = structlog.get_logger(__name__)
CHANNEL = "pegasus_deliveries"
ENDS = {ProcessingStatus.COMPLETED, ProcessingStatus.FAILED}
PAUSES = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)  # seconds after each attempt
AT_ONCE = 8
LEASE_SECONDS = 4 * ANSWER_SECONDS  # for so long nobody else tries what one has begun to send
LOOK_SECONDS = 60
KEPT_DAYS = 7
GONE = 410  # the receiver wants no more of it


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where to send; the address may hold secrets, so only `shown` is ever logged."""

    url: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """By what deliveries know it."""
        return hashlib.sha256(self.url.encode()).hexdigest()

    @property
    def shown(self) -> str:
        """Scheme and host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}"


def signature(secret: bytes, *, delivery_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature (Standard Webhooks, version 1: HMAC-SHA256 over id, time and body)."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One thing to be sent to one endpoint, for the how manieth time."""

    id: UUID
    body: str
    attempts: int


@dataclass(kw_only=True)
class Webhooks:
    """Enters what is to be sent, and sends it."""

    sessions: Sessions
    endpoints: Sequence[Endpoint]
    secret: bytes = field(repr=False)
    outbound: Outbound
    pauses: Sequence[float] = field(default_factory=lambda: PAUSES)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def follow(self, session: AsyncSession, changes: Sequence[Event]) -> None:
        """Enters deliveries for those of the changes that end a recording's way."""
        bodies = [_body(event) for event in changes if event.change == "progressed" and _status(event) in ENDS]
        rows = [
            {"id": uuid4(), "endpoint": endpoint.fingerprint, "body": body}
            for body in bodies
            for endpoint in self.endpoints
        ]
        if rows:
            await session.execute(insert(deliveries), rows)
            await session.execute(select(func.pg_notify(CHANNEL, "")))

    def wake(self, _said: str | None = None) -> None:
        """There may be something to be sent."""
        self._woken.set()

    async def run(self) -> None:
        """Sends until cancelled, to each endpoint at its own pace."""
        await asyncio.gather(*(self._serve(endpoint) for endpoint in self.endpoints))

    async def _serve(self, endpoint: Endpoint) -> None:
        while True:
            woken = self._woken
            seconds: float = LOOK_SECONDS
            try:
                await self._forget_old()
                while due := await self._claim(endpoint):
                    await asyncio.gather(*(self._deliver(endpoint, delivery) for delivery in due))
                seconds = await self._seconds_until_due(endpoint)
            except DatabaseProblem as problem:
                log.warning("no webhooks for now", reason=str(problem))
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

    async def _claim(self, endpoint: Endpoint) -> Sequence[Delivery]:
        due = (
            select(deliveries.c.id)
            .where(deliveries.c.endpoint == endpoint.fingerprint, deliveries.c.next_try_at <= func.now())
            .order_by(deliveries.c.next_try_at)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        claimed = (
            update(deliveries)
            .where(deliveries.c.id.in_(due))
            .values(attempts=deliveries.c.attempts + 1, next_try_at=_in(LEASE_SECONDS))
            .returning(deliveries.c.id, deliveries.c.body, deliveries.c.attempts)
        )
        async with self.sessions() as session:
            rows = (await session.execute(claimed)).mappings().all()
            await session.commit()
        return [Delivery(**row) for row in rows]

    async def _deliver(self, endpoint: Endpoint, delivery: Delivery) -> None:
        told = {"delivery": str(delivery.id), "endpoint": endpoint.shown, "attempt": delivery.attempts}
        try:
            status = await self._send(endpoint, delivery)
            taken, reason = status // 100 == 2, f"the answer was {status}"  # noqa: PLR2004 - any 2xx
        except NotReached as problem:
            status, taken, reason = None, False, problem.reason
        if taken:
            log.info("webhook delivered", **told)
        elif status == GONE or delivery.attempts > len(self.pauses):
            log.error("webhook given up", reason=reason, **told)
        else:
            log.warning("webhook not delivered", reason=reason, **told)
            await self._put_off(delivery)
            return
        async with self.sessions() as session:
            await session.execute(delete(deliveries).where(deliveries.c.id == delivery.id))
            await session.commit()

    async def _send(self, endpoint: Endpoint, delivery: Delivery) -> int:
        body, timestamp, name = delivery.body.encode(), int(time.time()), f"msg_{delivery.id.hex}"
        headers = {
            "Host": urlsplit(endpoint.url).netloc,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": "Pegasus",
            "webhook-id": name,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self.secret, delivery_id=name, timestamp=timestamp, body=body),
        }
        return await self.outbound.post(endpoint.url, body, headers=headers)

    async def _put_off(self, delivery: Delivery) -> None:
        pause = self.pauses[delivery.attempts - 1] * random.uniform(1, 1.2)  # noqa: S311 - not all at one time
        later = update(deliveries).where(deliveries.c.id == delivery.id).values(next_try_at=_in(pause))
        async with self.sessions() as session:
            await session.execute(later)
            await session.commit()

    async def _seconds_until_due(self, endpoint: Endpoint) -> float:
        left = func.extract("epoch", func.min(deliveries.c.next_try_at) - func.now())
        async with self.sessions() as session:
            seconds = await session.scalar(select(left).where(deliveries.c.endpoint == endpoint.fingerprint))
        return LOOK_SECONDS if seconds is None else min(LOOK_SECONDS, max(0.0, float(seconds)))

    async def _forget_old(self) -> None:
        """Removes what waits for an endpoint that isn't configured any more."""
        old = deliveries.c.created_at < func.now() - timedelta(days=KEPT_DAYS)
        async with self.sessions() as session:
            await session.execute(delete(deliveries).where(old))
            await session.commit()


def _in(seconds: float) -> object:
    return func.now() + timedelta(seconds=seconds)


def _status(event: Event) -> str:
    return str(json.loads(event.told).get("processing_status"))


def _body(event: Event) -> str:
    """What is sent (Standard Webhooks: type, timestamp, data)."""
    timestamp = event.created_at.astimezone(UTC).isoformat()
    return f'{{"type": "recording.{_status(event)}", "timestamp": "{timestamp}", "data": {event.told}}}'
