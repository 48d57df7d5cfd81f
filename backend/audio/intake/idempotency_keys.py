"""The keys by which clients retry an upload, and the recording that each already stands for."""

import re
from dataclasses import dataclass

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from audio.model.audio_file import AudioFile
from core.database.system_tables import SCHEMA, idempotency_keys
from core.errors import PegasusError

LONGEST_KEY = 255
_KEY = re.compile(rf"[!-~]{{1,{LONGEST_KEY}}}")
INTO_KEYS = f"INSERT INTO {SCHEMA}.idempotency_keys (user_id, key, recording_id)"


class IdempotencyKeyMalformed(PegasusError):
    message = f"An Idempotency-Key has 1 to {LONGEST_KEY} visible ASCII characters."


class IdempotencyKeyTaken(PegasusError):
    message = "An upload with this Idempotency-Key came first."


class IdempotencyKeyReused(PegasusError):
    message = "This Idempotency-Key stands for a recording of another size: each upload has a key of its own."


@dataclass(frozen=True)
class IdempotencyKey:
    """A key that a client chose for one upload, unique within its user ('' without one)."""

    user_id: str
    key: str

    def __post_init__(self) -> None:
        """Raises IdempotencyKeyMalformed."""
        if not _KEY.fullmatch(self.key):
            raise IdempotencyKeyMalformed


async def find(session: AsyncSession, key: IdempotencyKey) -> AudioFile | None:
    """The recording that was uploaded under a key. A key whose recording was deleted is freed."""
    same = (idempotency_keys.c.user_id == key.user_id, idempotency_keys.c.key == key.key)
    query = select(AudioFile).join(idempotency_keys, idempotency_keys.c.recording_id == AudioFile.id).where(*same)
    recording = await session.scalar(query)
    if recording is None:
        is_deleted = ~exists().where(AudioFile.id == idempotency_keys.c.recording_id)
        await session.execute(delete(idempotency_keys).where(*same, is_deleted))
        await session.commit()
    return recording
