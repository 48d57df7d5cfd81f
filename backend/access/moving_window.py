"""How often something has happened within the last minute, by key."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


class MovingWindow:
    """Counts by key, in this process alone, up to `limit` within 60 seconds."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._item = RateLimitItemPerMinute(limit)
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def has_room(self, key: str) -> bool:
        """Whether the key may be counted once more."""
        return self._windows.test(self._item, key)

    def count(self, key: str) -> bool:
        """Counts the key where there is room; whether there was."""
        return self._windows.hit(self._item, key)

    def seconds_until_room(self, key: str) -> int:
        """How long a key has to wait whose window is full, in whole seconds."""
        free_at = self._windows.get_window_stats(self._item, key).reset_time
        return max(1, math.ceil(free_at - time.time()))
