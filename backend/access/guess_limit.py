"""Limits how many wrong tokens may be tried from an address. Each server process counts for itself.

A guess is a secret that hasn't been tried before. So a client that keeps using a revoked token uses up no guesses, and
a token that was valid before is accepted whatever others try from the same address, as behind a proxy.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from access.caller import ANONYMOUS, Caller
from access.tokens import hashed
from core.errors import PegasusError

PER_MINUTE = 20
REMEMBERED = 10_000


class TooManyGuesses(PegasusError):
    def __init__(self, *, limit: int, retry_after_seconds: int) -> None:
        super().__init__(
            f"At most {limit} wrong tokens may be tried in a minute; try again in {retry_after_seconds} seconds."
        )
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class FailedAttempts:
    """Counts wrong secrets over the last 60 seconds by address, an IPv6 /64 as one; only hashes are kept."""

    def __init__(self) -> None:
        self._limit = RateLimitItemPerMinute(PER_MINUTE)
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._tried: OrderedDict[bytes, None] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def authenticate(
        self, secret: str, *, address: str, find: Callable[[str], Awaitable[Caller | None]]
    ) -> Caller | None:
        """The caller that `find` returns; new secrets from one address are tried one after the other, to be counted.

        Raises TooManyGuesses when the secret may not be tried now, right or wrong, or what `find` raises.
        """
        digest = hashed(secret)
        if digest in self._tried:
            self._tried.move_to_end(digest)
            return await find(secret)
        key = ANONYMOUS.rate_limit_key(address)
        async with self._locks.setdefault(key, asyncio.Lock()):
            is_new = digest not in self._tried
            if is_new and not self._windows.test(self._limit, key):
                free_at = self._windows.get_window_stats(self._limit, key).reset_time
                raise TooManyGuesses(limit=PER_MINUTE, retry_after_seconds=max(1, math.ceil(free_at - time.time())))
            caller = await find(secret)
            if is_new and caller is None:
                self._windows.hit(self._limit, key)
            self._tried[digest] = None
            if len(self._tried) > REMEMBERED:
                self._tried.popitem(last=False)
        return caller
