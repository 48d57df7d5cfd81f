"""Every query on resumable uploads. They use the database's clock, which all server processes share."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Insert, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from audio.model.audio_file import AudioFile
from audio.model.details import Details, labels_among
from audio.model.duplicates import Original
from core.database.engine import lock_name
from core.database.system_tables import uploads

LIFETIME = timedelta(hours=24)
_ADDRESSES = uuid.UUID("5b0c6a5e-6d5e-4f0e-9d1c-3a6f0b1f2c47")  # a namespace for UUIDs of version 5, see RFC 9562


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A resumable upload; `length_bytes` is None until its client declares it.

    `recording_id` is that of the recording which it has become. With `finishes_at_length` it becomes one once it has
    its length; else its client has yet to say which bytes are the last. `sha256` and `sha512` are the digests that all
    of its bytes must have.
    """

    id: UUID
    details: Details
    file_type: str | None
    metadata: str | None
    length_bytes: int | None
    created_at: datetime
    expires_at: datetime
    recording_id: UUID | None
    finishes_at_length: bool
    sha256: bytes | None
    sha512: bytes | None
    original: Original | None = None  # told once, by the request that has made it a recording


@dataclass(frozen=True, kw_only=True)
class UploadCreator:
    """The client that creates an upload: a token of the table, the user of a token in the settings, or an address."""

    address: str
    user_id: str | None = None
    token_id: UUID | None = None

    @property
    def is_authenticated(self) -> bool:
        """Whether it has a token."""
        return self.user_id is not None or self.token_id is not None

    @property
    def stored_token_id(self) -> UUID | None:
        """The value of the column `token_id`: the token's id, or for an address a UUID that is made from it."""
        return self.token_id if self.is_authenticated else uuid.uuid5(_ADDRESSES, self.address)


_GIVEN_BY_THE_DATABASE = {"created_at", "expires_at", "recording_id"}
_OLD_LABELS = ("tag", "category")  # in columns of their own; older servers, beside this one, write and read no others
# The recording has the upload's id. After a crash between the two only the table of recordings has it.
_RECORDING_ID = func.coalesce(
    uploads.c.recording_id,
    select(AudioFile.id).where(AudioFile.id == uploads.c.id).correlate(uploads).scalar_subquery(),
).label("recording_id")
_COLUMNS = (*(column for column in uploads.c if column.name != "recording_id"), _RECORDING_ID)
_IS_LIVE = uploads.c.expires_at > func.now()
_THIS = (uploads.c.id == bindparam("upload_id"), _IS_LIVE)
# Statements are built once: to build one takes longer than to send it.
_FIND = select(*_COLUMNS).where(*_THIS)
_FIND_OWN = _FIND.where(uploads.c.user_id == bindparam("owner"))
_RENEW = update(uploads).where(*_THIS).values(expires_at=func.now() + LIFETIME).returning(*_COLUMNS)


def _adding(creators: ColumnElement[bool]) -> Insert:
    """Inserts a new upload, unless as many unfinished ones as `limit` meet the condition."""
    columns = [column for column in uploads.c if column.name not in _GIVEN_BY_THE_DATABASE]
    open_ones = select(func.count()).select_from(uploads).where(creators, _IS_LIVE, uploads.c.recording_id.is_(None))
    values = [bindparam(f"new_{column.name}", type_=column.type) for column in columns]
    new = select(*values, func.now() + LIFETIME).where(open_ones.scalar_subquery() < bindparam("limit"))
    return insert(uploads).from_select([*(column.name for column in columns), "expires_at"], new)


_ADD_OF_TOKEN, _ADD_OF_USER = (
    _adding(column == bindparam("creator", type_=column.type)).returning(*uploads.c)
    for column in (uploads.c.token_id, uploads.c.user_id)
)


def new_row(
    details: Details,
    *,
    file_type: str | None,
    metadata: str | None,
    length_bytes: int | None,
    token_id: UUID | None,
    finishes_at_length: bool,
    digests: Mapping[str, bytes],
) -> dict[str, Any]:
    """The values of a new upload, by their columns."""
    return {
        "id": uuid.uuid4(),
        "user_id": details.user_id,
        "token_id": token_id,
        "length_bytes": length_bytes,
        "file_name": details.original_filename,
        "file_type": file_type,
        "labels": details.labels,
        "metadata": metadata,
        "duplicates": details.duplicates,
        **{name: details.labels.get(name) for name in _OLD_LABELS},
        "finishes_at_length": finishes_at_length,
        "sha256": digests.get("sha256"),
        "sha512": digests.get("sha512"),
    }


async def add(session: AsyncSession, row: Mapping[str, Any], *, creator: UploadCreator, limit: int) -> Upload | None:
    """Inserts a new upload, unless its creator has `limit` unfinished ones: then it returns None.

    It holds a lock for the creator until the transaction ends, so that no other upload is inserted in between.
    """
    token_id = creator.stored_token_id
    await lock_name(session, f"uploads of {token_id or f'user {creator.user_id}'}")
    statement = _ADD_OF_USER if token_id is None else _ADD_OF_TOKEN
    values = {f"new_{name}": value for name, value in row.items()}
    limits = {"limit": limit, "creator": token_id or creator.user_id}
    upload = (await session.execute(statement, values | limits)).one_or_none()
    return None if upload is None else _upload(upload)


async def find(session: AsyncSession, upload_id: UUID, *, owner: str | None) -> Upload | None:
    """The upload of that id, if it belongs to the user `owner` (None: to any) and hasn't expired."""
    statement = _FIND if owner is None else _FIND_OWN
    row = (await session.execute(statement, {"upload_id": upload_id, "owner": owner})).one_or_none()
    return None if row is None else _upload(row)


async def renew(session: AsyncSession, upload_id: UUID, changes: Mapping[str, Any]) -> Upload | None:
    """Extends an upload's lifetime, and changes values of its row. Returns None when it is gone."""
    statement = _RENEW.values(changes) if changes else _RENEW
    row = (await session.execute(statement, {"upload_id": upload_id})).one_or_none()
    return None if row is None else _upload(row)


async def finish(session: AsyncSession, upload: Upload, *, recording_id: UUID) -> None:
    """Finishes an upload, which may have no row yet, as a recording that was there before."""
    values = {
        "id": upload.id,
        "user_id": upload.details.user_id,
        "length_bytes": upload.length_bytes,
        "metadata": upload.metadata,
        "expires_at": upload.expires_at,
        "recording_id": recording_id,
    }
    statement = postgresql.insert(uploads).values(values)
    await session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"recording_id": recording_id}))


async def remove(session: AsyncSession, upload_id: UUID) -> None:
    """Deletes an upload's row."""
    await session.execute(delete(uploads).where(uploads.c.id == upload_id))


async def expired(session: AsyncSession, *, limit: int) -> Sequence[UUID]:
    """The ids of expired uploads, the oldest first."""
    query = select(uploads.c.id).where(~_IS_LIVE).order_by(uploads.c.expires_at).limit(limit)
    return (await session.scalars(query)).all()


async def has_expired(session: AsyncSession, upload_id: UUID) -> bool:
    """Whether an upload has expired, or has no row any more."""
    return not await session.scalar(
        select(func.count()).select_from(uploads).where(uploads.c.id == upload_id, _IS_LIVE)
    )


def _upload(row: Any) -> Upload:
    labels = {name: getattr(row, name) for name in _OLD_LABELS} if row.labels is None else row.labels
    return Upload(
        id=row.id,
        details=Details(
            original_filename=row.file_name,
            user_id=row.user_id,
            labels=labels_among(labels),
            duplicates=row.duplicates,
        ),
        file_type=row.file_type,
        metadata=row.metadata,
        length_bytes=row.length_bytes,
        created_at=row.created_at,
        expires_at=row.expires_at,
        recording_id=row.recording_id,
        finishes_at_length=row.finishes_at_length,
        sha256=row.sha256,
        sha512=row.sha512,
    )
