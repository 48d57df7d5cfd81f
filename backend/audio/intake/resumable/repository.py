"""Every query on resumable uploads. They use the database's clock, which all server processes share."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from audio.model.details import Details, labels_among
from audio.model.duplicates import Original
from core.database.engine import DriverConnection, driver_transaction, lock_key
from core.database.system_tables import SCHEMA, uploads

LIFETIME = timedelta(hours=24)
RENEWAL_INTERVAL = timedelta(minutes=5)  # in which an upload isn't renewed again, which would cost a write
DIGESTS = ("sha256", "sha512")
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
    is_due: bool = False  # for renewal: it wasn't renewed within RENEWAL_INTERVAL
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
        return self.token_id if self.is_authenticated else _address_id(self.address)


@lru_cache(maxsize=1024)
def _address_id(address: str) -> UUID:
    return uuid.uuid5(_ADDRESSES, address)


_OF_THE_ROW = [field.name for field in fields(Upload) if field.name not in {"details", "original"}]
_GIVEN_BY_THE_DATABASE = {"created_at", "expires_at", "recording_id"}
_OLD_LABELS = ("tag", "category")  # in columns of their own; older servers, beside this one, write and read no others
_TABLE = f"{SCHEMA}.uploads"
_EXPIRY, _DUE = (
    f"now() + interval '{age.total_seconds():.0f} seconds'" for age in (LIFETIME, LIFETIME - RENEWAL_INTERVAL)
)
# The recording has the upload's id. After a crash between the two only the table of recordings has it.
_RECORDING_ID = "coalesce(uploads.recording_id, (SELECT id FROM audio_files WHERE audio_files.id = uploads.id))"
_COLUMNS = (
    ", ".join(
        f"{_RECORDING_ID} AS recording_id" if column.name == "recording_id" else f"uploads.{column.name}"
        for column in uploads.c
    )
    + f", uploads.expires_at < {_DUE} AS is_due"
)
_IS_LIVE = uploads.c.expires_at > func.now()
_LOCK = "SELECT key, pg_advisory_xact_lock(key) FROM UNNEST($1::bigint[]) AS key"
_LOCK_WITHOUT_WAITING = "SELECT key FROM UNNEST($1::bigint[]) AS key WHERE pg_try_advisory_xact_lock(key)"


def _rows(name: str, *columns: str, **more: str) -> str:
    """Rows of arrays, one for each column of uploads, and `more` of other types."""
    dialect: Any = postgresql.dialect
    types = {column: f"{uploads.c[column].type.compile(dialect())}[]" for column in columns} | more
    arrays = ", ".join(f"${position}::{type_}" for position, type_ in enumerate(types.values(), 1))
    return f"UNNEST({arrays}) AS {name} ({', '.join(types)})"


# What each request asks is asked of the driver itself, and for many requests at once (`core.batching`).
_FIND = f"SELECT {_COLUMNS} FROM {_TABLE} AS uploads WHERE id = ANY ($1) AND expires_at > now()"  # noqa: S608 - names of ours
_CHANGEABLE = ("length_bytes", "finishes_at_length", *DIGESTS)
_RENEW = (
    f"UPDATE {_TABLE} AS uploads SET expires_at = {_EXPIRY}, "  # noqa: S608 - as above
    + ", ".join(f"{name} = coalesce(came.{name}, uploads.{name})" for name in _CHANGEABLE)
    + f" FROM {_rows('came', 'id', *_CHANGEABLE)} WHERE uploads.id = came.id AND uploads.expires_at > now()"
    f" RETURNING {_COLUMNS}"
)
_NEW = [column.name for column in uploads.c if column.name not in _GIVEN_BY_THE_DATABASE]


def _adding(column: str, type_: str) -> str:
    """Inserts new uploads, but for those beyond the limit of unfinished ones of their creator, by its column."""
    return (
        f"WITH came AS (SELECT *, row_number() OVER (PARTITION BY creator) AS nth"  # noqa: S608 - as above
        f" FROM {_rows('came', *_NEW, creator=type_, most='bigint[]')}), unfinished AS MATERIALIZED (SELECT creator,"
        f" (SELECT count(*) FROM {_TABLE} AS open WHERE open.{column} = creators.creator"
        " AND open.expires_at > now() AND open.recording_id IS NULL) AS there"
        " FROM (SELECT DISTINCT creator FROM came) AS creators)"
        f" INSERT INTO {_TABLE} AS uploads ({', '.join(_NEW)}, expires_at)"
        f" SELECT {', '.join(_NEW)}, {_EXPIRY} FROM came JOIN unfinished USING (creator) WHERE most >= nth + there"
        f" RETURNING {_COLUMNS}"
    )


_ADD_OF_TOKENS, _ADD_OF_USERS = _adding("token_id", "uuid[]"), _adding("user_id", "text[]")


@dataclass(frozen=True, kw_only=True)
class NewUploadRow:
    """The row of an upload to insert, unless its creator has `limit` unfinished ones."""

    values: Mapping[str, Any]
    creator: UploadCreator
    limit: int

    @property
    def is_of_user(self) -> bool:
        """Whether the creator is known by the column `user_id`, not by `token_id`."""
        return self.creator.stored_token_id is None

    @property
    def creator_key(self) -> UUID | str | None:
        """The creator's value of its column."""
        return self.creator.stored_token_id or self.creator.user_id

    @cached_property
    def lock_key(self) -> int:
        """The key of the lock that is held for the creator."""
        return lock_key(f"uploads of {'user ' if self.is_of_user else ''}{self.creator_key}")  # as older servers


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
        "labels": json.dumps(details.labels),  # SQLAlchemy has the driver read jsonb, not write it
        "metadata": metadata,
        "duplicates": details.duplicates,
        **{name: details.labels.get(name) for name in _OLD_LABELS},
        "finishes_at_length": finishes_at_length,
        **{name: digests.get(name) for name in DIGESTS},
    }


class NotAdded(Enum):
    """Why a new upload wasn't inserted: its creator has too many unfinished ones, or is locked by another request."""

    TOO_MANY = auto()
    LOCKED = auto()


async def add(
    connection: DriverConnection, rows: Sequence[NewUploadRow], *, waits: bool = False
) -> Sequence[Upload | NotAdded]:
    """Inserts new uploads, in one transaction.

    It holds a lock for each creator meanwhile, so that no other upload is inserted in between. For those that another
    one holds it `waits`, or leaves them out.
    """
    added: dict[UUID, Upload] = {}
    async with driver_transaction(connection):
        keys = sorted({row.lock_key for row in rows})
        locked = {row["key"] for row in await connection.fetch(_LOCK if waits else _LOCK_WITHOUT_WAITING, keys)}
        for statement, is_of_user in ((_ADD_OF_TOKENS, False), (_ADD_OF_USERS, True)):
            some = [row for row in rows if row.lock_key in locked and row.is_of_user == is_of_user]
            if some:
                columns = [[row.values[name] for row in some] for name in _NEW]
                creators, limits = [row.creator_key for row in some], [row.limit for row in some]
                added |= _by_id(await connection.fetch(statement, *columns, creators, limits))
    return [
        added.get(row.values["id"], NotAdded.TOO_MANY if row.lock_key in locked else NotAdded.LOCKED) for row in rows
    ]


async def find(connection: DriverConnection, upload_ids: Sequence[UUID]) -> Sequence[Upload | None]:
    """The uploads of those ids; None for each that isn't there or has expired."""
    uploads_by_id = _by_id(await connection.fetch(_FIND, upload_ids))
    return [uploads_by_id.get(upload_id) for upload_id in upload_ids]


async def renew(
    connection: DriverConnection, changes: Sequence[tuple[UUID, Mapping[str, Any]]]
) -> Sequence[Upload | None]:
    """Extends the lifetime of uploads, and changes values of their rows; None for each that is gone.

    No two changes are of the same upload.
    """
    columns = [[values.get(name) for _, values in changes] for name in _CHANGEABLE]
    renewed = _by_id(await connection.fetch(_RENEW, [upload_id for upload_id, _ in changes], *columns))
    return [renewed.get(upload_id) for upload_id, _ in changes]


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


def _by_id(rows: "Sequence[asyncpg.Record]") -> dict[UUID, Upload]:
    return {row["id"]: _upload(row) for row in rows}


def _upload(row: "asyncpg.Record") -> Upload:
    labels = {name: row[name] for name in _OLD_LABELS} if row["labels"] is None else row["labels"]
    return Upload(
        details=Details(
            original_filename=row["file_name"],
            user_id=row["user_id"],
            labels=labels_among(labels),
            duplicates=row["duplicates"],
        ),
        **{name: row[name] for name in _OF_THE_ROW},
    )
