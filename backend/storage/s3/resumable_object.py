"""Bytes that stay under a key in an object store until they are complete: any process on any machine goes on."""

from collections.abc import Iterator, Mapping

from storage.contract import InUse, Piece
from storage.object_names import STAGING
from storage.s3.bucket import Bucket
from storage.s3.chunks import Chunks
from storage.s3.leases import Holds
from storage.s3.staged_object import Published

UPLOADS = f"{STAGING}/uploads"
IN_FLIGHT = 1  # so that what is stored has no gap, wherever it ends


class ResumableObject:
    """See `Resumable`."""

    def __init__(self, bucket: Bucket, key: str, *, holds: Holds, insistent: bool) -> None:
        """Raises InUse or StorageError."""
        self._holds = holds
        self._published = Published(bucket, only_new=False)
        self._chunks = Chunks(bucket, f"{UPLOADS}/{key}", in_flight=IN_FLIGHT)
        self._hold = holds.take(key, insistent=insistent)
        try:
            self._chunks.find()
        except BaseException:
            holds.release(self._hold)
            raise

    @property
    def size_bytes(self) -> int:
        """See `Resumable.size_bytes`."""
        return self._chunks.size_bytes

    def is_wanted(self) -> bool:
        """See `Resumable.is_wanted`."""
        return self._holds.is_wanted(self._hold)

    def pieces(self, *, start: int = 0) -> Iterator[bytes]:
        """See `Resumable.pieces`."""
        return self._chunks.pieces(start=start)

    def write(self, piece: Piece) -> None:
        """See `Staged.write`."""
        self._check()
        self._chunks.write(piece)

    def truncate(self, size_bytes: int) -> None:
        """See `Resumable.truncate`."""
        self._check()
        self._chunks.truncate(size_bytes)

    def make_durable(self) -> None:
        """See `Resumable.make_durable`."""
        self._chunks.make_durable()

    def publish(self, name: str, *, beside: Mapping[str, bytes]) -> None:
        """See `Resumable.publish`."""
        self._check()
        self._chunks.make_durable()
        self._published.publish(self._chunks, name, beside=beside)

    def retract(self) -> None:
        """See `Resumable.retract`."""
        self._published.retract()

    def forget(self) -> None:
        """See `Resumable.forget`."""
        self._check()
        self._chunks.remove()

    def discard(self) -> None:
        """See `Staged.discard`."""
        self.retract()
        self.forget()

    def release(self) -> None:
        """See `Resumable.release`. What was written and isn't stored yet is stored first."""
        try:
            if not self._hold.lost:
                self._chunks.make_durable()
        finally:
            self._holds.release(self._hold)

    def _check(self) -> None:
        if self._hold.lost:
            raise InUse
