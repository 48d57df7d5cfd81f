"""Events: the changes of recordings, numbered in the order in which they can be seen, and kept for a while.

A number that is taken before COMMIT may be seen after a larger one, and whoever asks for what came after the larger one
would miss it. So changes are announced without a number that counts, and numbered once they are committed, by one at a
time: each numbering begins when the one before it can be seen. That needs no order among those who make the changes,
who wait for nobody, and isn't held up by a long transaction elsewhere, as reading behind the oldest one would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, delete, exists, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.announcements import CHANNEL, Change
from core.database.engine import Sessions
from core.database.error_mapping import database_problem
from core.database.system_tables import announcements, events
from core.errors import PrivilegeMissing

log = structlog.get_logger(__name__)
AT_ONCE = 500
CATCH_UP_ROUNDS = 20
KEPT_ROWS = 100_000
KEPT_DAYS = 7
_LOCK = int.from_bytes(b"pegevent")
_COLUMNS = ("recording_id", "user_id", "change", "told", "created_at")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One change of a recording; `told` is the recording then, as JSON."""

    number: int
    recording_id: UUID
    user_id: str | None
    change: Change
    told: str
    created_at: datetime


class Follower(Protocol):
    """Does something with changes in the transaction that numbers them, so that none is left out.

    What it can't do for a reason that nobody foresaw is undone and logged: no follower holds up the events.
    """

    async def follow(self, session: AsyncSession, changes: Sequence[Event]) -> None:
        """Takes note of changes."""


@dataclass(frozen=True, kw_only=True)
class EventLog:
    """The events in the database, and those who follow them all."""

    sessions: Sessions
    followers: Sequence[Follower] = ()

    async def number(self) -> int:
        """Numbers what was announced, AT_ONCE at most, and returns how many these were."""
        async with self.sessions() as session:
            if not await session.scalar(select(exists().select_from(announcements))):
                return 0
            await alone(session)
            numbered = await _take(session)
            for follower in self.followers if numbered else ():
                await _tell(follower, session, numbered)
            await session.execute(select(func.pg_notify(CHANNEL, "")))  # for many at once, and not in their way
            await session.commit()
        return len(numbered)

    async def catch_up(self) -> None:
        """Numbers all that is announced by now, within reason. Raises DatabaseProblem."""
        for _ in range(CATCH_UP_ROUNDS):
            if await self.number() < AT_ONCE:
                return

    async def after(self, number: int, *, owner: str | None, limit: int) -> Sequence[Event]:
        """The first events after a number, at most `limit`, of the owner's recordings (None: of everybody's)."""
        wanted: list[ColumnElement[bool]] = [events.c.number > number]
        if owner is not None:
            wanted.append(events.c.user_id == owner)
        query = select(events).where(*wanted).order_by(events.c.number).limit(limit)
        async with self.sessions() as session:
            return [Event(**row) for row in (await session.execute(query)).mappings()]

    async def kept(self) -> tuple[int, int]:
        """The numbers of the first and the last event that are kept; 1 and 0 when there never was any."""
        async with self.sessions() as session:
            first, last = (await session.execute(select(func.min(events.c.number), func.max(events.c.number)))).one()
        return first or 1, last or 0

    async def prune(self) -> None:
        """Forgets the oldest events, but never the last: its number says how far they have come."""
        async with self.sessions() as session:
            newest = select(func.max(events.c.number)).scalar_subquery()
            old = (events.c.number <= newest - KEPT_ROWS) | (
                events.c.created_at < func.now() - text(f"interval '{KEPT_DAYS} days'")
            )
            await session.execute(delete(events).where(old, events.c.number < newest))
            await session.commit()


async def _tell(follower: Follower, session: AsyncSession, changes: Sequence[Event]) -> None:
    try:
        async with session.begin_nested():
            await follower.follow(session, changes)
    except Exception as error:
        if _may_pass(error):
            raise
        log.exception("changes not followed", follower=type(follower).__name__, error=type(error).__name__)


def _may_pass(error: Exception) -> bool:
    """Whether the numbering may go better another time, with its followers: nothing is left out for such a reason."""
    problem = database_problem(error, address="")
    return problem is not None and not isinstance(problem, PrivilegeMissing)


async def alone(session: AsyncSession) -> None:
    """Waits until nobody else numbers; the lock is released once what this transaction did can be seen."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def _take(session: AsyncSession) -> Sequence[Event]:
    """Takes announcements away and enters them as events, of one recording in the order of its changes."""
    first = select(announcements.c.id).order_by(announcements.c.id).limit(AT_ONCE)
    taken = delete(announcements).where(announcements.c.id.in_(first)).returning(announcements).cte("taken")
    in_order = select(*(taken.c[name] for name in _COLUMNS)).order_by(taken.c.id)
    entered = insert(events).from_select(list(_COLUMNS), in_order).returning(events)
    numbered = [Event(**row) for row in (await session.execute(entered)).mappings()]
    return sorted(numbered, key=lambda event: event.number)
