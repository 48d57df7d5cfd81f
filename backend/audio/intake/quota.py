"""The quota of one user, in bytes and in recordings. All recordings without a user count as one user's."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from audio.library.usage import usage_of
from core.database.engine import lock_name
from core.errors import PegasusError


class QuotaPassed(PegasusError):
    """A recording would take its user over the quota, counted in `unit` (bytes or recordings)."""

    def __init__(self, *, limit: int, used: int, unit: str = "bytes") -> None:
        super().__init__(f"The quota is {limit} {unit}, of which {used} are used.")
        self.limit = limit
        self.used = used
        self.unit = unit


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The most that one user may store; 0 sets no limit."""

    limit_bytes: int = 0
    limit_recordings: int = 0

    def __bool__(self) -> bool:
        return bool(self.limit_bytes or self.limit_recordings)


async def check_quota(session: AsyncSession, user_id: str | None, *, adding_bytes: int, limits: Quota) -> None:
    """Returns when a user may store one more recording of `adding_bytes`.

    It holds a lock for the user until the session's transaction ends: called in the transaction that inserts the
    row, it can't let two uploads through at once. Raises QuotaPassed.
    """
    if not limits:
        return
    await lock_name(session, "quota of nobody" if user_id is None else f"quota of user {user_id}")
    usage = await usage_of(session, user_id)
    if limits.limit_bytes and usage.size_bytes + adding_bytes > limits.limit_bytes:
        raise QuotaPassed(limit=limits.limit_bytes, used=usage.size_bytes)
    if limits.limit_recordings and usage.recordings >= limits.limit_recordings:
        raise QuotaPassed(limit=limits.limit_recordings, used=usage.recordings, unit="recordings")
