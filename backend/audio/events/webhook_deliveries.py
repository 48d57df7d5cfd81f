"""Deliveries: what is yet to be sent to whom, as rows that outlive every process."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.webhook_endpoint import Endpoint
from core.database.engine import Sessions
from core.database.system_tables import deliveries
from core.outbound_http import ANSWER_SECONDS

CHANNEL = "pegasus_deliveries"
AT_ONCE = 8
LEASE_SECONDS = 4 * ANSWER_SECONDS  # for so long nobody else tries what one has begun to send
LOOK_SECONDS = 60
KEPT_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One thing to be sent to one endpoint, for the how manieth time."""

    id: UUID
    body: str
    attempts: int


async def enter(session: AsyncSession, bodies: Sequence[str], *, to: Sequence[Endpoint]) -> None:
    """Enters a delivery of each body to each endpoint, in the session's transaction."""
    rows = [{"id": uuid4(), "endpoint": endpoint.fingerprint, "body": body} for body in bodies for endpoint in to]
    if rows:
        await session.execute(insert(deliveries), rows)
        await session.execute(select(func.pg_notify(CHANNEL, "")))


@dataclass(frozen=True, kw_only=True)
class Deliveries:
    """What waits for one endpoint."""

    sessions: Sessions
    endpoint: Endpoint

    async def claim(self) -> Sequence[Delivery]:
        """Those that are due, AT_ONCE at most; nobody else gets them meanwhile."""
        due = (
            select(deliveries.c.id)
            .where(deliveries.c.endpoint == self.endpoint.fingerprint, deliveries.c.next_try_at <= func.now())
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

    async def put_off(self, delivery: Delivery, *, seconds: float) -> None:
        """Lets it wait before it is due again."""
        later = update(deliveries).where(deliveries.c.id == delivery.id).values(next_try_at=_in(seconds))
        async with self.sessions() as session:
            await session.execute(later)
            await session.commit()

    async def forget(self, delivery: Delivery) -> None:
        """Removes what was taken, or is given up."""
        async with self.sessions() as session:
            await session.execute(delete(deliveries).where(deliveries.c.id == delivery.id))
            await session.commit()

    async def seconds_until_due(self) -> float:
        """How long until the next one is due, LOOK_SECONDS at most."""
        left = func.extract("epoch", func.min(deliveries.c.next_try_at) - func.now())
        async with self.sessions() as session:
            seconds = await session.scalar(select(left).where(deliveries.c.endpoint == self.endpoint.fingerprint))
        return LOOK_SECONDS if seconds is None else min(LOOK_SECONDS, max(0.0, float(seconds)))

    async def forget_old(self) -> None:
        """Removes what waits for an endpoint that isn't configured any more."""
        old = deliveries.c.created_at < func.now() - timedelta(days=KEPT_DAYS)
        async with self.sessions() as session:
            await session.execute(delete(deliveries).where(old))
            await session.commit()


def _in(seconds: float) -> object:
    return func.now() + timedelta(seconds=seconds)
