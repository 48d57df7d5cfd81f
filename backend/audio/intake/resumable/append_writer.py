"""Writes the bytes of one request to the end of a resumable upload."""

from collections.abc import Callable, Sequence

from audio.intake.resumable.errors import ChecksumWrong, LengthPassed
from audio.intake.resumable.partial_upload import PartialUpload
from audio.intake.resumable.upload_locks import UploadLock, UploadTakenOver
from audio.intake.resumable.upload_requests import Checksum
from audio.model.formats import NotAudio
from storage.contract import Piece
from storage.hashing import Digest

PROGRESS_BYTES = 16 * 1024 * 1024


class AppendWriter:
    """Writes the bytes of one request. Its methods block, and must not run at the same time.

    With `checksums`, bytes that aren't audio are only refused once the checksums match: they may be damaged.
    """

    def __init__(
        self,
        incoming: PartialUpload,
        *,
        upload_lock: UploadLock,
        length_bytes: int | None,
        checksums: Sequence[Checksum],
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        self._incoming = incoming
        self._upload_lock = upload_lock
        self._length_bytes = length_bytes
        self._checksums = [(checksum, Digest(checksum.algorithm)) for checksum in checksums]
        self._checkpoint = incoming.checkpoint() if checksums else None
        self._on_progress = None if checksums else on_progress  # with checksums the bytes may be rolled back
        self._received = self._reported = incoming.received
        self._not_audio: NotAudio | None = None

    def write(self, piece: Piece) -> None:
        """Writes the next bytes; they are written also when it raises UploadTakenOver.

        Raises LengthPassed, UploadTakenOver, or as `IncomingUpload.write`.
        """
        self._received += len(piece)
        if self._length_bytes is not None and self._received > self._length_bytes:
            raise LengthPassed(limit=self._length_bytes, received=self._received)
        self._incoming.check_size(self._received)
        for _, digest in self._checksums:
            digest.update(piece)
        self._append(piece)
        self._upload_lock.written_bytes += len(piece)
        if self._upload_lock.is_cancelled:
            raise UploadTakenOver
        if self._on_progress is not None and self._received - self._reported >= PROGRESS_BYTES:
            self._incoming.staged.make_durable()
            self._reported = self._received
            self._on_progress(self._received)

    def check(self) -> None:
        """Checks all bytes of the request, which aren't durable yet. Raises ChecksumWrong, NotAudio or StorageError."""
        for checksum, digest in self._checksums:
            if digest.digest() != checksum.digest:
                if self._checkpoint is not None:
                    self._incoming.roll_back(self._checkpoint)
                raise ChecksumWrong(checksum.algorithm)
        if self._not_audio is not None:
            raise self._not_audio

    def _append(self, piece: Piece) -> None:
        if self._not_audio is not None:
            return
        try:
            self._incoming.write(piece)
        except NotAudio as error:
            if not self._checksums:
                raise
            self._not_audio = error
