"""Makes what takes recordings in, as the settings limit it."""

from audio.intake.batch_inserter import BatchInserter
from audio.intake.ingest import Ingest
from audio.intake.quota import Quota
from core.database.engine import Sessions
from core.settings import Settings
from storage.contract import Storage


def ingest_for(settings: Settings, *, sessions: Sessions, storage: Storage) -> Ingest:
    """The ingest of recordings into this storage and database, for uploads and imports alike."""
    return Ingest(
        sessions=sessions,
        inserter=BatchInserter(sessions),
        storage=storage,
        limit_bytes=settings.max_file_size_bytes,
        quota=Quota(limit_bytes=settings.user_quota_bytes, limit_recordings=settings.user_quota_recordings),
    )
