"""Tokens in the table, which holds only the SHA-256 of their secrets.

A secret has 256 random bits, so a plain hash can't be reversed by guessing, and looking it up leaks nothing by time.
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

PREFIX = "pegasus_"  # lets secret scanners recognise a leaked token
SECRET_BYTES = 32
_COLUMNS = (tokens.c.id, tokens.c.user_id, tokens.c.admin, tokens.c.label, tokens.c.created_at, tokens.c.revoked_at)


class TokenWithoutUser(PegasusError):
    message = "A token needs a user."


class TokenUnknown(PegasusError):
    def __init__(self, token_id: UUID) -> None:
        super().__init__(f"There is no token {token_id}.")
        self.token_id = token_id


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token's row, without its secret."""

    id: UUID
    user_id: str
    admin: bool
    label: str | None
    created_at: datetime
    revoked_at: datetime | None


def hashed(secret: str) -> bytes:
    """The hash of a secret, as stored."""
    return hashlib.sha256(secret.encode()).digest()


async def create(
    session: AsyncSession, user_id: str, *, admin: bool = False, label: str | None = None
) -> tuple[Token, str]:
    """Creates a token, and returns it with its secret, which isn't stored.

    Raises TokenWithoutUser or LabelRefused.
    """
    normalized_id = user_label(user_id)
    if normalized_id is None:
        raise TokenWithoutUser
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    values = {"id": uuid4(), "user_id": normalized_id, "admin": admin, "label": checked_label("label", label)}
    statement = insert(tokens).values(**values, secret_sha256=hashed(secret)).returning(*_COLUMNS)
    return _token((await session.execute(statement)).one()), secret


async def find(session: AsyncSession, secret: str) -> Token | None:
    """The token with that secret, revoked or not."""
    row = (await session.execute(select(*_COLUMNS).where(tokens.c.secret_sha256 == hashed(secret)))).one_or_none()
    return None if row is None else _token(row)


async def list_all(session: AsyncSession) -> Sequence[Token]:
    """All tokens, revoked ones included, the oldest first."""
    return [_token(row) for row in await session.execute(select(*_COLUMNS).order_by(tokens.c.created_at, tokens.c.id))]


async def any_exist(session: AsyncSession) -> bool:
    """Whether any token exists; revoked ones count, too, or revoking the last one would open the server."""
    return bool(await session.scalar(select(exists().select_from(tokens))))


async def revoke(session: AsyncSession, token_id: UUID) -> Token:
    """Revokes a token; one that is revoked already keeps its time. Raises TokenUnknown."""
    statement = (
        update(tokens)
        .where(tokens.c.id == token_id)
        .values(revoked_at=func.coalesce(tokens.c.revoked_at, func.now()))
        .returning(*_COLUMNS)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise TokenUnknown(token_id)
    return _token(row)


def _token(row: Row[Any, Any, Any, Any, Any, Any]) -> Token:
    return Token(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own name for it, and public
