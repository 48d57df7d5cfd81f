"""The tables beyond `audio_files`, as the chain in system_chain/ makes them: a schema of their own keeps them apart.

No key points into `audio_files`: that table is exactly what the databases in the field have, and stays so.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    true,
)

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

# Which recording a retried upload already is; user_id is '' for nobody.
idempotency_keys = Table(
    "idempotency_keys",
    system_metadata,
    Column("user_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("recording_id", Uuid, nullable=False),
    _created_at(),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

# Resumable uploads; length_bytes is NULL while the client hasn't said how long the upload will be.
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
    Index("ix_uploads_token_id", "token_id"),
    Index("ix_uploads_user_id", "user_id"),
    Index("ix_uploads_expires_at", "expires_at"),
)

# One row: which storage belongs to this database.
storage_identity = Table(
    "storage_identity",
    system_metadata,
    Column("singleton", Boolean, CheckConstraint("singleton"), primary_key=True, server_default=true()),
    Column("id", Uuid, nullable=False),
)
