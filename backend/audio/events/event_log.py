"""The log of events: changes of recordings, numbered in the order in which they become visible, and pruned.

A number that is taken before COMMIT may become visible after a larger one, and a client that asks for events after the
larger one would miss it. So changes are announced without a number, and numbered after their commit by one transaction
at a time, each of which sees the one before. Changes need no order among themselves and wait for nothing, and a long
transaction elsewhere delays no event, as it would if readers stayed behind the oldest one.
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
BATCH_ROWS = 500
CATCH_UP_ROUNDS = 20
RETAINED_ROWS = 100_000
RETENTION_DAYS = 7
_LOCK = int.from_bytes(b"pegevent")
_COLUMNS = ("recording_id", "user_id", "change", "told", "created_at")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One change of a recording; `told` (a column's name) is the recording after it, as JSON."""

    number: int
    recording_id: UUID
    user_id: str | None
    change: Change
    told: str
    created_at: datetime


class Follower(Protocol):
    """Handles changes in the transaction that numbers them, so that it misses none.

    When it fails unexpectedly, its own changes are rolled back and the error is logged: it can't block the events.
    """

    async def follow(self, session: AsyncSession, changes: Sequence[Event]) -> None:
        """Handles changes."""


@dataclass(frozen=True, kw_only=True)
class EventLog:
    """The events in the database, and the followers of all of them."""

    sessions: Sessions
    followers: Sequence[Follower] = ()

    async def number(self) -> int:
        """Numbers announcements, BATCH_ROWS at most, and returns how many."""
        async with self.sessions() as session:
            if not await session.scalar(select(exists().select_from(announcements))):
                return 0
            await lock(session)
            numbered = await _number_announcements(session)
            for follower in self.followers if numbered else ():
                await _follow(follower, session, numbered)
            await session.execute(select(func.pg_notify(CHANNEL, "")))  # once per batch: see announcements.py
            await session.commit()
        return len(numbered)

    async def catch_up(self) -> None:
        """Numbers the announcements of now, up to CATCH_UP_ROUNDS batches. Raises DatabaseProblem."""
        for _ in range(CATCH_UP_ROUNDS):
            if await self.number() < BATCH_ROWS:
                return

    async def after(self, number: int, *, owner: str | None, limit: int) -> Sequence[Event]:
        """The first events after a number, at most `limit`, of the recordings of user `owner` (None: of all)."""
        conditions: list[ColumnElement[bool]] = [events.c.number > number]
        if owner is not None:
            conditions.append(events.c.user_id == owner)
        query = select(events).where(*conditions).order_by(events.c.number).limit(limit)
        async with self.sessions() as session:
            return [Event(**row) for row in (await session.execute(query)).mappings()]

    async def bounds(self) -> tuple[int, int]:
        """The numbers of the first and the last retained event; 1 and 0 when there never was any."""
        async with self.sessions() as session:
            first, last = (await session.execute(select(func.min(events.c.number), func.max(events.c.number)))).one()
        return first or 1, last or 0

    async def prune(self) -> None:
        """Deletes the oldest events, but never the last one, whose number is the position of the log."""
        async with self.sessions() as session:
            newest = select(func.max(events.c.number)).scalar_subquery()
            old = (events.c.number <= newest - RETAINED_ROWS) | (
                events.c.created_at < func.now() - text(f"interval '{RETENTION_DAYS} days'")
            )
            await session.execute(delete(events).where(old, events.c.number < newest))
            await session.commit()


async def _follow(follower: Follower, session: AsyncSession, changes: Sequence[Event]) -> None:
    try:
        async with session.begin_nested():
            await follower.follow(session, changes)
    except Exception as error:
        if _is_transient(error):
            raise
        log.exception("changes not followed", follower=type(follower).__name__, error=type(error).__name__)


def _is_transient(error: Exception) -> bool:
    """Whether a later try may succeed, so that the numbering is rolled back instead of skipping the follower."""
    problem = database_problem(error, address="")
    return problem is not None and not isinstance(problem, PrivilegeMissing)


async def lock(session: AsyncSession) -> None:
    """Waits for the lock of the numbering, which is held until this transaction's end."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def _number_announcements(session: AsyncSession) -> Sequence[Event]:
    """Moves announcements to the events, those of one recording in the order of its changes."""
    first = select(announcements.c.id).order_by(announcements.c.id).limit(BATCH_ROWS)
    deleted = delete(announcements).where(announcements.c.id.in_(first)).returning(announcements).cte("deleted")
    in_order = select(*(deleted.c[name] for name in _COLUMNS)).order_by(deleted.c.id)
    inserted = insert(events).from_select(list(_COLUMNS), in_order).returning(events)
    numbered = [Event(**row) for row in (await session.execute(inserted)).mappings()]
    return sorted(numbered, key=lambda event: event.number)
