"""UploadRate: how many uploads somebody may begin in a minute. Each server process counts for itself."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from core.errors import PegasusError


class TooManyUploads(PegasusError):
    """More uploads were begun within a minute than may be."""

    def __init__(self, *, limit: int, retry_after_seconds: int) -> None:
        super().__init__(f"At most {limit} uploads may begin in a minute; try again in {retry_after_seconds} seconds.")
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class UploadRate:
    """Counts uploads over the last 60 seconds; `per_minute` 0 doesn't count."""

    def __init__(self, *, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def check(self, who: str) -> None:
        """Counts an upload that somebody begins (see `Caller.counted_as`). Raises TooManyUploads, and then doesn't."""
        if self._limit is None or self._windows.hit(self._limit, who):
            return
        free_at = self._windows.get_window_stats(self._limit, who).reset_time
        wait = max(1, math.ceil(free_at - time.time()))
        raise TooManyUploads(limit=self._limit.amount, retry_after_seconds=wait)
