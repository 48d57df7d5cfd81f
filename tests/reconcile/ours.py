"""The objects of Pegasus's table as SQL, rows to put into it, and a look at a database that owes nothing to reconcile.

What is written here is written a second time on purpose: a mistake in the engine must not be able to hide itself.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

TYPE = "CREATE TYPE processingstatus AS ENUM ('uploaded', 'transcribing', 'improving', 'completed', 'failed')"
COLUMNS = {
    "id": "uuid NOT NULL PRIMARY KEY",
    "filename": "varchar(255) NOT NULL",
    "original_filename": "varchar(255)",
    "file_path": "varchar(500) NOT NULL",
    "file_size_bytes": "bigint",
    "duration_seconds": "float",
    "mime_type": "varchar(100)",
    "original_transcript": "text",
    "improved_transcript": "text",
    "transcription_engine": "varchar(50)",
    "transcription_started_at": "timestamp without time zone",
    "transcription_completed_at": "timestamp without time zone",
    "improvement_completed_at": "timestamp without time zone",
    "user_id": "varchar(255)",
    "upload_timestamp": "timestamp without time zone",
    "processing_status": "processingstatus NOT NULL",
    "error_message": "text",
    "created_at": "timestamp without time zone",
    "updated_at": "timestamp without time zone",
}
TABLE = f"CREATE TABLE audio_files ({', '.join(f'{name} {text}' for name, text in COLUMNS.items())})"
PARTS = {
    "type": TYPE,
    "table": TABLE,
    "unique": "ALTER TABLE audio_files ADD UNIQUE (file_path)",
    "status index": "CREATE INDEX ix_audio_files_processing_status ON audio_files (processing_status)",
    "time index": "CREATE INDEX ix_audio_files_upload_timestamp ON audio_files (upload_timestamp)",
    "user index": "CREATE INDEX ix_audio_files_user_id ON audio_files (user_id)",
    "tag": "ALTER TABLE audio_files ADD COLUMN tag varchar(100)",
    "category": "ALTER TABLE audio_files ADD COLUMN category varchar(100)",
    "tag index": "CREATE INDEX ix_audio_files_tag ON audio_files (tag)",
    "category index": "CREATE INDEX ix_audio_files_category ON audio_files (category)",
}
NEEDS = {
    "table": {"type"},
    "unique": {"table"},
    "status index": {"table"},
    "time index": {"table"},
    "user index": {"table"},
    "tag": {"table"},
    "category": {"table"},
    "tag index": {"tag"},
    "category index": {"category"},
}
OF_001 = frozenset({"type", "table", "unique", "status index", "time index", "user index"})
OF_002 = frozenset(PARTS)
UNKNOWN = "9f8e7d6c5b4a"
VERSION_TABLE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY)"
)
RESET = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"

SEEN = """
SELECT 'relation ' || c.relname || ' ' || c.relkind::text || ' ' || c.relpersistence::text AS seen
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
       || ' null=' || (NOT a.attnotnull) || ' default=' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
       || ' ' || a.attgenerated::text || a.attidentity::text
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v')
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'index ' || pg_get_indexdef(indexrelid) || ' valid=' || indisvalid || ' ready=' || indisready
FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
UNION ALL
SELECT 'type ' || t.typname || ' ' || t.typtype::text || ' '
       || coalesce((SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), '')
FROM pg_type t WHERE t.typnamespace = 'public'::regnamespace AND t.typelem = 0 AND t.typtype <> 'm'
UNION ALL
SELECT 'trigger ' || pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
 WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'rule ' || pg_get_ruledef(r.oid) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'security ' || relname || relrowsecurity || relforcerowsecurity FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relrowsecurity
UNION ALL
SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
"""


async def seen(connection: asyncpg.Connection) -> frozenset[str]:
    """Everything in `public`, as sentences of this module's own; the order of columns doesn't count."""
    return frozenset(row["seen"] for row in await connection.fetch(SEEN))


async def versions(connection: asyncpg.Connection) -> list[str] | None:
    """The rows of the version table; None where there is none."""
    if await connection.fetchval("SELECT to_regclass('public.alembic_version')") is None:
        return None
    return sorted(row[0] for row in await connection.fetch("SELECT version_num FROM alembic_version"))


async def build(
    connection: asyncpg.Connection,
    parts: Iterable[str],
    claim: Iterable[str] | None,
    *,
    rows: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Empties the database and makes some of our objects in it, with a version table and rows."""
    parts = set(parts)
    statements = [RESET, *(sql for part, sql in PARTS.items() if part in parts)]
    if claim is not None:
        statements += [VERSION_TABLE, *(f"INSERT INTO alembic_version VALUES ('{row}')" for row in claim)]
    await connection.execute("; ".join(statements))
    if "table" in parts:
        present = set(COLUMNS) | {"tag", "category"} & parts
        await put(connection, [{name: value for name, value in row.items() if name in present} for row in rows])


async def put(connection: asyncpg.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Inserts rows, as an older Pegasus would have."""
    for row in rows:
        values = json.dumps(row, default=str)
        names = ", ".join(row)
        await connection.execute(
            f"INSERT INTO audio_files ({names}) SELECT {names} FROM jsonb_populate_record(NULL::audio_files, $1)",
            values,
        )


async def rows_of(connection: asyncpg.Connection) -> list[dict[str, Any]] | None:
    """Every row of our table as JSON, by id; None where there is no such table."""
    if await connection.fetchval("SELECT to_regclass('public.audio_files')") is None:
        return None
    found = await connection.fetch("SELECT to_jsonb(a) AS row FROM audio_files a")
    return sorted((json.loads(row["row"]) for row in found), key=lambda row: str(row.get("id")))


def old_rows(storage: Path, outside: Path) -> tuple[dict[str, Any], ...]:
    """Rows as older deployments wrote them, without a manifest; the last two name files that aren't ours to give."""
    relative, absolute = (
        "2024/01/02/audio_20240102_030405_old1.wav",
        storage / "2024/01/02/audio_20240102_030406_old2.mp3",
    )
    (storage / relative).parent.mkdir(parents=True, exist_ok=True)
    (storage / relative).write_bytes(b"RIFF relative")
    absolute.write_bytes(b"ID3 absolute")
    outside.write_bytes(b"nobody's business")
    when = datetime(2024, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - the table's timestamps are naive
    full = {
        "id": uuid.UUID(int=1),
        "filename": "audio_20240102_030405_old1.wav",
        "original_filename": "Besprechung 'Ä' \"日本\" \\ 1.wav",
        "file_path": relative,
        "file_size_bytes": 2**40,
        "duration_seconds": 0.1,
        "mime_type": "audio/wav",
        "original_transcript": "said\nso; DROP TABLE audio_files; --",
        "improved_transcript": "Said so.",
        "transcription_engine": "whisper",
        "transcription_started_at": when,
        "transcription_completed_at": when,
        "improvement_completed_at": when,
        "user_id": "ann",
        "upload_timestamp": when,
        "processing_status": "completed",
        "error_message": "none",
        "created_at": when,
        "updated_at": when,
        "tag": "Work",
        "category": "Meeting",
    }
    bare = {"filename": "old2.mp3", "processing_status": "uploaded"}
    return (
        full,
        bare | {"id": uuid.UUID(int=2), "file_path": str(absolute), "tag": "x" * 100},
        bare | {"id": uuid.UUID(int=3), "file_path": str(outside), "processing_status": "failed"},
        bare | {"id": uuid.UUID(int=4), "file_path": "../" + outside.name, "category": ""},
    )


READABLE = {uuid.UUID(int=1): b"RIFF relative", uuid.UUID(int=2): b"ID3 absolute"}
FORBIDDEN = (uuid.UUID(int=3), uuid.UUID(int=4))
