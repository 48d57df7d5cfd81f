"""Limits how many wrong tokens may be tried from an address. Each server process counts for itself.

A guess is a secret that hasn't been tried before. So a client that keeps using a revoked token uses up no guesses, and
a token that was valid before is accepted whatever others try from the same address, as behind a proxy.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from access.caller import ANONYMOUS, Caller
from access.tokens import hashed
from core.errors import PegasusError

if TYPE_CHECKING:
    from access.moving_window import MovingWindow

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
        self._tried: OrderedDict[bytes, None] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._has_failed = False

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
            if is_new and self._has_failed and not self._window.has_room(key):
                raise TooManyGuesses(limit=PER_MINUTE, retry_after_seconds=self._window.seconds_until_room(key))
            caller = await find(secret)
            if is_new and caller is None:
                self._window.count(key)
                self._has_failed = True
            self._tried[digest] = None
            if len(self._tried) > REMEMBERED:
                self._tried.popitem(last=False)
        return caller

    @cached_property
    def _window(self) -> "MovingWindow":
        """Made for the first wrong secret."""
        from access.moving_window import MovingWindow  # noqa: PLC0415 - a fiftieth of a start, and most never need it

        return MovingWindow(PER_MINUTE)
