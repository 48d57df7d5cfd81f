"""Tokens: a secret that stands for a user. The table holds only the secret's SHA-256.

A secret has 256 random bits, so a plain hash can't be turned back by guessing, and looking it up leaks nothing in time.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.database.system_tables import tokens
from core.errors import PegasusError
from core.labels import label as checked_label
from core.labels import user_label

PREFIX = "pegasus_"  # lets scanners of logs and repositories find a secret that got lost
SECRET_BYTES = 32
_SHOWN = (tokens.c.id, tokens.c.user_id, tokens.c.admin, tokens.c.label, tokens.c.created_at, tokens.c.revoked_at)


class TokenWithoutUser(PegasusError):
    """A token has to be somebody's."""

    def __init__(self) -> None:
        super().__init__("A token needs a user.")


class TokenUnknown(PegasusError):
    """There is no token of that id."""

    def __init__(self, token_id: UUID) -> None:
        super().__init__(f"There is no token {token_id}.")
        self.token_id = token_id


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token as the table knows it: all but the secret."""

    id: UUID
    user_id: str
    admin: bool
    label: str | None
    created_at: datetime
    revoked_at: datetime | None


def hashed(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


async def create(
    session: AsyncSession, user_id: str, *, admin: bool = False, label: str | None = None
) -> tuple[Token, str]:
    """Makes a token, and returns it with its secret, which is nowhere afterwards.

    Raises TokenWithoutUser or LabelRefused.
    """
    kept = user_label(user_id)
    if kept is None:
        raise TokenWithoutUser
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    values = {"id": uuid4(), "user_id": kept, "admin": admin, "label": checked_label("label", label)}
    statement = insert(tokens).values(**values, secret_sha256=hashed(secret)).returning(*_SHOWN)
    return _token((await session.execute(statement)).one()), secret


async def find(session: AsyncSession, secret: str) -> Token | None:
    """The token with that secret, revoked or not."""
    row = (await session.execute(select(*_SHOWN).where(tokens.c.secret_sha256 == hashed(secret)))).one_or_none()
    return None if row is None else _token(row)


async def every(session: AsyncSession) -> Sequence[Token]:
    """Every token there ever was, the oldest first."""
    return [_token(row) for row in await session.execute(select(*_SHOWN).order_by(tokens.c.created_at, tokens.c.id))]


async def any_ever(session: AsyncSession) -> bool:
    """Whether there ever was a token: one that is revoked counts too, or revoking the last would open the door."""
    return bool(await session.scalar(select(exists().select_from(tokens))))


async def revoke(session: AsyncSession, token_id: UUID) -> Token:
    """Lets a token count no more; one that is revoked already keeps its time. Raises TokenUnknown."""
    statement = (
        update(tokens)
        .where(tokens.c.id == token_id)
        .values(revoked_at=func.coalesce(tokens.c.revoked_at, func.now()))
        .returning(*_SHOWN)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise TokenUnknown(token_id)
    return _token(row)


def _token(row: Row[Any, Any, Any, Any, Any, Any]) -> Token:
    return Token(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own name for it, and public
