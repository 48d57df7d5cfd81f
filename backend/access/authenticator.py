"""Door: whether a token is needed, and whose the one is that was sent. Whose it is isn't remembered.

So a token that is revoked stops at once, in every process. What may be remembered, for a second, is that there never
was any token: an open server for one machine isn't asked that again with each request.
"""

import time
from typing import Literal

from access import tokens
from access.caller import NOBODY, Caller
from access.guess_limit import FailedAttempts
from access.static_tokens import StaticTokens
from core.database.engine import Sessions
from core.errors import PegasusError

Auth = Literal["tokens", "open"] | None
REMEMBERED_SECONDS = 1.0
LONGEST_SECRET = 512
OUTSIDE_TRANSACTIONS = {"isolation_level": "AUTOCOMMIT"}  # one round trip a look, and not three


class TokenRefused(PegasusError):
    """Who asks can't be told from what was sent."""


class TokenMissing(TokenRefused):
    """A token is needed, and none was sent."""

    def __init__(self) -> None:
        super().__init__("This needs a token, in the header Authorization.")


class TokenInvalid(TokenRefused):
    """A token was sent that isn't one, or no longer. Which of the two isn't told."""

    def __init__(self) -> None:
        super().__init__("The token isn't valid.")


class Authenticator:
    """The one way in, by the setting AUTH and the tokens in the settings and in the table."""

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
            found = await tokens.any_ever(session)
        if not found:
            self._none_until = now + REMEMBERED_SECONDS
        return found

    async def admit(self, secret: str | None, *, address: str) -> Caller:
        """Who asks: the user of the token that was sent, which has to be valid, needed or not; without one, nobody.

        `address` is where the request comes from. Raises TokenMissing, TokenInvalid, TooManyGuesses or DatabaseProblem.
        """
        if secret is None:
            if await self.needs_token():
                raise TokenMissing
            return NOBODY
        if not secret.isascii() or len(secret) > LONGEST_SECRET:
            raise TokenInvalid
        caller = await self._guesses.look_up(secret, address=address, find=self._find)
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
