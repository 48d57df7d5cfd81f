"""An unfinished upload in an object store, which any process on any machine can resume."""

from collections.abc import Iterator, Mapping

from storage.contract import InUse, Piece
from storage.object_names import STAGING
from storage.s3.bucket import Bucket
from storage.s3.chunks import Chunks
from storage.s3.leases import Leases
from storage.s3.staged_object import Published

UPLOADS = f"{STAGING}/uploads"
IN_FLIGHT = 1  # so that the stored chunks never have a gap


class ResumableObject:
    """See `Resumable`."""

    def __init__(self, bucket: Bucket, key: str, *, leases: Leases, request_release: bool) -> None:
        """Raises InUse or StorageError."""
        self._leases = leases
        self._published = Published(bucket, only_new=False)
        self._chunks = Chunks(bucket, f"{UPLOADS}/{key}", in_flight=IN_FLIGHT)
        self._lease = leases.acquire(key, request_release=request_release)
        try:
            self._chunks.load()
        except BaseException:
            leases.release(self._lease)
            raise

    @property
    def size_bytes(self) -> int:
        """See `Resumable.size_bytes`."""
        return self._chunks.size_bytes

    def release_requested(self) -> bool:
        """See `Resumable.release_requested`."""
        return self._leases.release_requested(self._lease)

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
        """See `Resumable.release`. Bytes that aren't stored yet are stored first."""
        try:
            if not self._lease.lost:
                self._chunks.make_durable()
        finally:
            self._leases.release(self._lease)

    def _check(self) -> None:
        if self._lease.lost:
            raise InUse
