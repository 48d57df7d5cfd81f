"""The queue of webhook deliveries, as rows that survive every process."""

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
BATCH_ROWS = 8
LEASE_SECONDS = 4 * ANSWER_SECONDS  # a claimed delivery isn't claimed again for so long
POLL_SECONDS = 60
RETENTION_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A webhook to send to one endpoint; `attempts` includes the current one."""

    id: UUID
    body: str
    attempts: int


async def enter(session: AsyncSession, bodies: Sequence[str], *, to: Sequence[Endpoint]) -> None:
    """Inserts a delivery of each body to each endpoint, in the session's transaction."""
    rows = [{"id": uuid4(), "endpoint": endpoint.fingerprint, "body": body} for body in bodies for endpoint in to]
    if rows:
        await session.execute(insert(deliveries), rows)
        await session.execute(select(func.pg_notify(CHANNEL, "")))


@dataclass(frozen=True, kw_only=True)
class Deliveries:
    """The deliveries to one endpoint."""

    sessions: Sessions
    endpoint: Endpoint

    async def claim(self) -> Sequence[Delivery]:
        """Claims due deliveries, BATCH_ROWS at most, for LEASE_SECONDS."""
        due_ids = (
            select(deliveries.c.id)
            .where(deliveries.c.endpoint == self.endpoint.fingerprint, deliveries.c.next_try_at <= func.now())
            .order_by(deliveries.c.next_try_at)
            .limit(BATCH_ROWS)
            .with_for_update(skip_locked=True)
        )
        claimed = (
            update(deliveries)
            .where(deliveries.c.id.in_(due_ids))
            .values(attempts=deliveries.c.attempts + 1, next_try_at=_in(LEASE_SECONDS))
            .returning(deliveries.c.id, deliveries.c.body, deliveries.c.attempts)
        )
        async with self.sessions() as session:
            rows = (await session.execute(claimed)).mappings().all()
            await session.commit()
        return [Delivery(**row) for row in rows]

    async def postpone(self, delivery: Delivery, *, seconds: float) -> None:
        """Makes a delivery due again after `seconds`."""
        statement = update(deliveries).where(deliveries.c.id == delivery.id).values(next_try_at=_in(seconds))
        async with self.sessions() as session:
            await session.execute(statement)
            await session.commit()

    async def remove(self, delivery: Delivery) -> None:
        """Removes a delivery that was accepted or given up."""
        async with self.sessions() as session:
            await session.execute(delete(deliveries).where(deliveries.c.id == delivery.id))
            await session.commit()

    async def seconds_until_next(self) -> float:
        """The seconds until the next delivery is due, POLL_SECONDS at most."""
        remaining = func.extract("epoch", func.min(deliveries.c.next_try_at) - func.now())
        async with self.sessions() as session:
            seconds = await session.scalar(select(remaining).where(deliveries.c.endpoint == self.endpoint.fingerprint))
        return POLL_SECONDS if seconds is None else min(POLL_SECONDS, max(0.0, float(seconds)))

    async def remove_old(self) -> None:
        """Removes deliveries that are older than RETENTION_DAYS: their endpoints aren't configured any more."""
        old = deliveries.c.created_at < func.now() - timedelta(days=RETENTION_DAYS)
        async with self.sessions() as session:
            await session.execute(delete(deliveries).where(old))
            await session.commit()


def _in(seconds: float) -> object:
    return func.now() + timedelta(seconds=seconds)
