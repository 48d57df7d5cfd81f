"""How many recordings there are and how many bytes they have, by their users."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from audio.model.audio_file import AudioFile

LISTED_USERS = 100
_SIZE = cast(func.coalesce(func.sum(AudioFile.file_size_bytes), 0), BigInteger)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The recordings of one user; those without a user count together, as None's."""

    user_id: str | None
    size_bytes: int
    recordings: int


@dataclass(frozen=True, kw_only=True)
class TotalUsage:
    """All recordings; `by_user` has the LISTED_USERS users with the most bytes, the largest first."""

    size_bytes: int
    recordings: int
    users: int
    by_user: Sequence[Usage]


async def usage_of(session: AsyncSession, user_id: str | None) -> Usage:
    """What one user has stored. Raises DatabaseProblem."""
    query = select(_SIZE, func.count()).where(AudioFile.user_id.is_not_distinct_from(user_id))
    size_bytes, recordings = (await session.execute(query)).one()
    return Usage(user_id=user_id, size_bytes=size_bytes, recordings=recordings)


async def total_usage(session: AsyncSession) -> TotalUsage:
    """What all users have stored, in one pass over the table. Raises DatabaseProblem."""
    query = (
        select(
            AudioFile.user_id,
            _SIZE,
            func.count(),
            cast(func.sum(_SIZE).over(), BigInteger),
            cast(func.sum(func.count()).over(), BigInteger),
            func.count().over(),
        )
        .group_by(AudioFile.user_id)
        .order_by(_SIZE.desc(), AudioFile.user_id)
        .limit(LISTED_USERS)
    )
    rows = (await session.execute(query)).all()
    size_bytes, recordings, users = rows[0][3:] if rows else (0, 0, 0)
    by_user = [Usage(user_id=row[0], size_bytes=row[1], recordings=row[2]) for row in rows]
    return TotalUsage(size_bytes=size_bytes, recordings=recordings, users=users, by_user=by_user)
