"""Authenticates requests by their token, or decides that none is needed.

Callers are not cached, so a revoked token is refused at once in every process. Only the fact that there never was a
token is cached for a second, so that an open server on one machine doesn't query the table with each request.
"""

import time
from typing import Literal

from access import tokens
from access.caller import ANONYMOUS, Caller
from access.guess_limit import FailedAttempts
from access.static_tokens import StaticTokens
from core.database.engine import Sessions
from core.errors import PegasusError

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
        self._sessions = sessions
        self._guesses = FailedAttempts()
        self._none_until = 0.0

    async def needs_token(self) -> bool:
        """Whether a token is needed: always, never, or (with AUTH empty) once there ever was one.

        Raises DatabaseProblem.
        """
        if self._auth == "open":
            return False
        if self._auth == "tokens" or self._static:
            return True
        now = time.monotonic()
        if now < self._none_until:
            return False
        async with self._sessions() as session:
            await session.connection(execution_options=OUTSIDE_TRANSACTIONS)
            exist = await tokens.any_exist(session)
        if not exist:
            self._none_until = now + REMEMBERED_SECONDS
        return exist

    async def authenticate(self, secret: str | None, *, address: str) -> Caller:
        """The caller with that token, which must be valid even where none is needed; ANONYMOUS without one.

        `address` is the client's. Raises TokenMissing, TokenInvalid, TooManyGuesses or DatabaseProblem.
        """
        if secret is None:
            if await self.needs_token():
                raise TokenMissing
            return ANONYMOUS
        if not secret.isascii() or len(secret) > LONGEST_SECRET:
            raise TokenInvalid
        caller = await self._guesses.authenticate(secret, address=address, find=self._find)
        if caller is None:
            raise TokenInvalid
        return caller

    async def _find(self, secret: str) -> Caller | None:
        caller = self._static.find(secret)
        if caller is not None:
            return caller
        async with self._sessions() as session:
            await session.connection(execution_options=OUTSIDE_TRANSACTIONS)
            token = await tokens.find(session, secret)
        if token is None or token.revoked_at is not None:
            return None
        return Caller(user_id=token.user_id, admin=token.admin, token_id=token.id)
