"""Every query on resumable uploads. What time it is, the database says: all server processes then mean the same."""

import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from audio.intake.ingest import Details
from audio.model.audio_file import AudioFile
from core.database.engine import Sessions
from core.database.system_tables import uploads

LIFETIME = timedelta(hours=24)
_ADDRESSES = uuid.UUID("5b0c6a5e-6d5e-4f0e-9d1c-3a6f0b1f2c47")  # a namespace of ours alone, as RFC 9562 has them
_OUTSIDE_TRANSACTIONS = {"isolation_level": "AUTOCOMMIT"}  # each statement is one, in one round trip


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A resumable upload; `length_bytes` is None while its client hasn't said how long it will be.

    `recording_id` is that of the recording which it has become.
    """

    id: UUID
    user_id: str | None
    token_id: UUID | None
    length_bytes: int | None
    file_name: str | None
    file_type: str | None
    tag: str | None
    category: str | None
    created_at: datetime
    expires_at: datetime
    recording_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class UploadOwner:
    """Who begins an upload: a token of the table, the user of one of the settings, or else whoever has an address."""

    address: str
    user_id: str | None = None
    token_id: UUID | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is more than an address."""
        return self.user_id is not None or self.token_id is not None

    @property
    def kept_id(self) -> UUID | None:
        """What is kept of it beside the user: the token's id, or for an address one that is made from it."""
        return self.token_id if self.is_known else uuid.uuid5(_ADDRESSES, self.address)


# The recording has the upload's id, so the table of recordings knows best: a crash may have come between the two.
_BECAME = func.coalesce(
    uploads.c.recording_id,
    select(AudioFile.id).where(AudioFile.id == uploads.c.id).correlate(uploads).scalar_subquery(),
).label("recording_id")
_SHOWN = (*(column for column in uploads.c if column.name != "recording_id"), _BECAME)
_LIVES = uploads.c.expires_at > func.now()


@asynccontextmanager
async def statements(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """A session on which each statement is a transaction of its own."""
    async with sessions() as session:
        await session.connection(execution_options=_OUTSIDE_TRANSACTIONS)
        yield session


async def enter(
    session: AsyncSession, details: Details, *, file_type: str | None, length_bytes: int | None, token_id: UUID | None
) -> Upload:
    """Enters a new upload."""
    values = {
        "id": uuid.uuid4(),
        "user_id": details.user_id,
        "token_id": token_id,
        "length_bytes": length_bytes,
        "file_name": details.original_filename,
        "file_type": file_type,
        "tag": details.tag,
        "category": details.category,
        "expires_at": func.now() + LIFETIME,
    }
    return _upload((await session.execute(insert(uploads).values(values).returning(*uploads.c))).one())


async def open_of(session: AsyncSession, holder: UploadOwner) -> int:
    """How many unfinished uploads somebody has.

    Until the transaction ends nobody else counts the same: so none can be begun between this and what follows.
    """
    kept_id = holder.kept_id
    name = f"uploads of {kept_id or f'user {holder.user_id}'}"
    await session.execute(select(func.pg_advisory_xact_lock(_key(name))))
    theirs = uploads.c.user_id == holder.user_id if kept_id is None else uploads.c.token_id == kept_id
    query = select(func.count()).select_from(uploads).where(theirs, _LIVES, uploads.c.recording_id.is_(None))
    return await session.scalar(query) or 0


async def find(session: AsyncSession, upload_id: UUID, *, owner: str | None) -> Upload | None:
    """The upload of that id, if it is the owner's (None: anybody's) and hasn't expired."""
    query = select(*_SHOWN).where(uploads.c.id == upload_id, *_of(owner), _LIVES)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _upload(row)


async def renew(session: AsyncSession, upload_id: UUID, *, length_bytes: int | None) -> Upload | None:
    """Puts off when an upload expires, and keeps its length where it had none. Returns it, None when it is gone."""
    length = func.coalesce(uploads.c.length_bytes, length_bytes)
    change = update(uploads).where(uploads.c.id == upload_id, _LIVES)
    row = (
        await session.execute(change.values(expires_at=func.now() + LIFETIME, length_bytes=length).returning(*_SHOWN))
    ).one_or_none()
    return None if row is None else _upload(row)


async def finish(session: AsyncSession, upload_id: UUID, *, recording_id: UUID) -> None:
    """Says which recording an upload has become."""
    await session.execute(update(uploads).where(uploads.c.id == upload_id).values(recording_id=recording_id))


async def remove(session: AsyncSession, upload_id: UUID) -> None:
    """Removes an upload."""
    await session.execute(delete(uploads).where(uploads.c.id == upload_id))


async def expired(session: AsyncSession, *, limit: int) -> Sequence[UUID]:
    """Uploads whose time is over, the oldest first."""
    query = select(uploads.c.id).where(~_LIVES).order_by(uploads.c.expires_at).limit(limit)
    return (await session.scalars(query)).all()


async def has_expired(session: AsyncSession, upload_id: UUID) -> bool:
    """Whether an upload's time is over, or it is gone."""
    return not await session.scalar(select(func.count()).select_from(uploads).where(uploads.c.id == upload_id, _LIVES))


def _of(owner: str | None) -> list[ColumnElement[bool]]:
    return [] if owner is None else [uploads.c.user_id == owner]


def _upload(row: Any) -> Upload:
    return Upload(**row._mapping)  # noqa: SLF001 - that is SQLAlchemy's name for it


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
