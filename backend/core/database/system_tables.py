"""The tables besides `audio_files`, in a schema of their own; the migrations in system_chain/ make them.

No foreign key refers to `audio_files`: that table stays exactly as existing databases have it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

SCHEMA = "pegasus_system"  # docs/decisions/0004 says why it isn't called `pegasus`
system_metadata = MetaData(schema=SCHEMA)


def _created_at() -> Column[object]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


tokens = Table(
    "tokens",
    system_metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("label", Text),
    Column("secret_sha256", LargeBinary, nullable=False, unique=True),
    _created_at(),
    Column("revoked_at", DateTime(timezone=True)),
)

# The recording of an upload that may be retried; user_id is '' without a user.
idempotency_keys = Table(
    "idempotency_keys",
    system_metadata,
    Column("user_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("recording_id", Uuid, nullable=False),
    _created_at(),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

# What a person calls a recording, where they have said so.
titles = Table(
    "titles",
    system_metadata,
    Column("recording_id", Uuid, primary_key=True),
    Column("title", Text, nullable=False),
)

# The SHA-256 of each recording's bytes, by which a user's first one with the same bytes is found; user_id is '' without
# a user, and uploaded_at the recording's own, so that the index has them in order.
digests = Table(
    "digests",
    system_metadata,
    Column("recording_id", Uuid, primary_key=True),
    Column("sha256", LargeBinary, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("uploaded_at", DateTime),
    Index("ix_digests_sha256", "sha256", "user_id", "uploaded_at"),
)

# Resumable uploads; length_bytes is NULL while the client hasn't declared it. Without a token, token_id is derived from
# the client's address. `labels` are the recording's, by their columns' names; NULL where an older server has inserted
# the row, with `tag` and `category`. `metadata` is tus's Upload-Metadata as it was sent. `sha256` and `sha512` are the
# digests that the whole upload must have, where its client sent them. `duplicates` is a DuplicatePolicy.
uploads = Table(
    "uploads",
    system_metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Text),
    Column("token_id", Uuid),
    Column("length_bytes", BigInteger),
    Column("file_name", Text),
    Column("file_type", Text),
    Column("tag", Text),
    Column("category", Text),
    _created_at(),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("recording_id", Uuid),
    Column("labels", JSONB),
    Column("metadata", Text),
    Column("finishes_at_length", Boolean, server_default=true(), nullable=False),
    Column("sha256", LargeBinary),
    Column("sha512", LargeBinary),
    Column("duplicates", Text),
    Index("ix_uploads_token_id", "token_id"),
    Index("ix_uploads_user_id", "user_id"),
    Index("ix_uploads_expires_at", "expires_at"),
)

# One row: the id of the storage that belongs to this database.
storage_identity = Table(
    "storage_identity",
    system_metadata,
    Column("singleton", Boolean, CheckConstraint("singleton"), primary_key=True, server_default=true()),
    Column("id", Uuid, nullable=False),
)


def _event_columns(number: str) -> list[Column[object]]:
    """A change of a recording; `told` is the recording as JSON, for clients that may see it."""
    return [
        Column(number, BigInteger, Identity(always=True), primary_key=True),
        Column("recording_id", Uuid, nullable=False),
        Column("user_id", Text),
        Column("change", Text, nullable=False),
        Column("told", Text, nullable=False),
        _created_at(),
    ]


# Changes, each inserted in the transaction that makes it; soon moved to `events`, which numbers them.
announcements = Table("announcements", system_metadata, *_event_columns("id"))

# The same in the order of their visibility: no number appears after a larger one.
events = Table("events", system_metadata, *_event_columns("number"))

# The search index; row_version is the version of the recording's row that an entry was made of.
search = Table(
    "search",
    system_metadata,
    Column("recording_id", Uuid, primary_key=True),
    Column("row_version", BigInteger, nullable=False),
    Column("names", Text, nullable=False),
    Column("vector", TSVECTOR, nullable=False),
    Index("ix_search_vector", "vector", postgresql_using="gin"),
)

# Who speaks in a recording: of each speaker the words of their name, and what they say, as ranges of the original
# transcript in characters. `vector` has the words of all names.
speakers = Table(
    "speakers",
    system_metadata,
    Column("recording_id", Uuid, primary_key=True),
    Column("vector", TSVECTOR, nullable=False),
    Column("names", ARRAY(Text), nullable=False),
    Column("spoken", JSONB, nullable=False),
    Index("ix_speakers_vector", "vector", postgresql_using="gin"),
)

# Pending webhook deliveries; `endpoint` is a fingerprint of the address, which may hold secrets.
deliveries = Table(
    "deliveries",
    system_metadata,
    Column("id", Uuid, primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_try_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _created_at(),
    Index("ix_deliveries_endpoint_next_try_at", "endpoint", "next_try_at"),
)
