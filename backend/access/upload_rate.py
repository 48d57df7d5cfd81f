"""Limits how many uploads a caller may start per minute. Each server process counts for itself."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from core.errors import PegasusError


class TooManyUploads(PegasusError):
    def __init__(self, *, limit: int, retry_after_seconds: int) -> None:
        super().__init__(f"At most {limit} uploads may begin in a minute; try again in {retry_after_seconds} seconds.")
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class UploadRate:
    """Counts uploads over the last 60 seconds; `per_minute` 0 sets no limit."""

    def __init__(self, *, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def check(self, key: str) -> None:
        """Counts an upload under `Caller.rate_limit_key`, unless it raises TooManyUploads."""
        if self._limit is None or self._windows.hit(self._limit, key):
            return
        free_at = self._windows.get_window_stats(self._limit, key).reset_time
        wait = max(1, math.ceil(free_at - time.time()))
        raise TooManyUploads(limit=self._limit.amount, retry_after_seconds=wait)
