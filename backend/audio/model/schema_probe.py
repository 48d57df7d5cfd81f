"""Whether the table of recordings takes what Pegasus writes: the healer asks where the catalogs can't tell."""

from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, update

from audio.model.audio_file import AudioFile
from audio.model.details import LABELS


def write_a_recording(connection: Connection) -> str | None:
    """Enters a recording, relabels it and deletes it, in the caller's savepoint.

    Returns what of that didn't happen although PostgreSQL let it: a trigger may drop a write without a word.

    Raises:
        DBAPIError: PostgreSQL doesn't let it: somebody's trigger, or a policy that binds this user.
    """
    recording = uuid4()
    now = datetime.now(UTC).replace(tzinfo=None)
    row = {
        "id": recording,
        "filename": "probe.wav",
        "original_filename": "probe.wav",
        "file_path": f"probe/{recording}.wav",
        "file_size_bytes": 0,
        "processing_status": "uploaded",
        "upload_timestamp": now,
        "created_at": now,
        "updated_at": now,
    }
    writes = {
        "an INSERT": insert(AudioFile).values(row),
        "an UPDATE": update(AudioFile).where(AudioFile.id == recording).values(dict.fromkeys(LABELS, "probe")),
        "a DELETE": delete(AudioFile).where(AudioFile.id == recording),
    }
    for name, write in writes.items():
        if connection.execute(write).rowcount != 1:
            return f"{name} of a recording was dropped"
    return None
