"""Whether the table of recordings takes what Pegasus writes: the healer asks where the catalogs can't tell."""

from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, update

from audio.models import AudioFile


def write_a_recording(connection: Connection) -> None:
    """Enters a recording, relabels it and deletes it, in the caller's savepoint.

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
    connection.execute(insert(AudioFile).values(row))
    relabelled = update(AudioFile).where(AudioFile.id == recording).values(tag="probe", category="probe")
    connection.execute(relabelled)
    connection.execute(delete(AudioFile).where(AudioFile.id == recording))
