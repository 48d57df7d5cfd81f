"""Authenticates requests by their token, or decides that none is needed.

Callers are not cached, so a revoked token is refused at once in every process. Only the fact that there never was a
token is cached for a second, so that an open server on one machine doesn't query the table with each request.
"""

import time
from collections.abc import Sequence
from typing import Literal

import structlog

from access import tokens
from access.caller import ANONYMOUS, Caller
from access.guess_limit import FailedAttempts
from access.static_tokens import StaticTokens
from core.batching import Batches
from core.database.engine import Sessions
from core.errors import PegasusError

log = structlog.get_logger(__name__)
Auth = Literal["tokens", "open"] | None
REMEMBERED_SECONDS = 1.0
LONGEST_SECRET = 512
OUTSIDE_TRANSACTIONS = {"isolation_level": "AUTOCOMMIT"}  # one round trip per query instead of three


class TokenRefused(PegasusError):
    """The request isn't authenticated."""


class TokenMissing(TokenRefused):
    message = "This needs a token, in the header Authorization."


class TokenInvalid(TokenRefused):
    """The token is unknown or revoked; which of the two isn't revealed."""

    message = "The token isn't valid."


class Authenticator:
    """Authenticates by the setting AUTH and the tokens in the settings and in the table."""

    def __init__(self, *, auth: Auth, static: StaticTokens, sessions: Sessions) -> None:
        self._auth = auth
        self._static = static
        self.sessions = sessions
        self._guesses = FailedAttempts()
        self._lookups = Batches(self._any_exist)
        self._none_until = 0.0
        self._has_told = False

    async def needs_token(self) -> bool:
        """Whether a token is needed: always, never, or (with AUTH empty) once there ever was one.

        Raises DatabaseProblem.
        """
        return self._auth != "open" and await self._can_be_valid()

    async def authenticate(self, secret: str | None, *, address: str) -> Caller:
        """The caller with that token, which must be valid wherever one could be; ANONYMOUS without one.

        A token that is sent to a server without tokens is ignored: there are clients that send one always. `address` is
        the client's. Raises TokenMissing, TokenInvalid, TooManyGuesses or DatabaseProblem.
        """
        if secret is None:
            if await self.needs_token():
                raise TokenMissing
            return ANONYMOUS
        if not await self._can_be_valid():
            self._tell_once()
            return ANONYMOUS
        if not secret.isascii() or len(secret) > LONGEST_SECRET:
            raise TokenInvalid
        caller = await self._guesses.authenticate(secret, address=address, find=self._find)
        if caller is None:
            raise TokenInvalid
        return caller

    async def _can_be_valid(self) -> bool:
        """Whether some token is valid, or may be made to be: there ever was one, or AUTH demands one."""
        if self._auth == "tokens" or self._static:
            return True
        now = time.monotonic()
        if now < self._none_until:
            return False
        exist = await self._lookups.put(None)
        if not exist:
            self._none_until = now + REMEMBERED_SECONDS
        return exist

    async def _any_exist(self, requests: Sequence[None]) -> Sequence[bool]:
        """Asked once for all requests that come meanwhile."""
        async with self.sessions() as session:
            await session.connection(execution_options=OUTSIDE_TRANSACTIONS)
            return [await tokens.any_exist(session)] * len(requests)

    def _tell_once(self) -> None:
        if not self._has_told:
            log.warning("a token was sent, and is ignored: this server has none")
        self._has_told = True

    async def _find(self, secret: str) -> Caller | None:
        caller = self._static.find(secret)
        if caller is not None:
            return caller
        async with self.sessions() as session:
            await session.connection(execution_options=OUTSIDE_TRANSACTIONS)
            token = await tokens.find(session, secret)
        if token is None or token.revoked_at is not None:
            return None
        return Caller(user_id=token.user_id, admin=token.admin, token_id=token.id)
