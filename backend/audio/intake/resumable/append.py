"""Appending: the bytes of one request, on their way to the end of an upload."""

from collections.abc import Sequence
from dataclasses import dataclass

from audio.intake.resumable.errors import ChecksumWrong, LengthPassed
from audio.intake.resumable.partial_upload import PartialUpload
from audio.intake.resumable.upload_locks import UploadLock, UploadTakenOver
from audio.model.formats import NotAudio
from storage.contract import Piece
from storage.hashing import Digest


@dataclass(frozen=True, kw_only=True)
class Check:
    """The digest that the bytes of a request must have; `algorithm` is hashlib's name for it."""

    algorithm: str
    digest: bytes


class Appending:
    """Takes in the bytes of one request. Its methods block, and none runs at the same time as another.

    With `checks`, nothing that these bytes may be is believed before they are: not even that they aren't audio.
    """

    def __init__(
        self, incoming: PartialUpload, *, upload_lock: UploadLock, length_bytes: int | None, checks: Sequence[Check]
    ) -> None:
        self._incoming = incoming
        self._turn = upload_lock
        self._length_bytes = length_bytes
        self._checks = [(check, Digest(check.algorithm)) for check in checks]
        self._mark = incoming.mark() if checks else None
        self._received = incoming.received
        self._refused: NotAudio | None = None

    def write(self, piece: Piece) -> None:
        """Takes in the next bytes, and keeps them even when it says that somebody else wants the upload.

        Raises LengthPassed, UploadTakenOver, or as `IncomingUpload.write`.
        """
        self._received += len(piece)
        if self._length_bytes is not None and self._received > self._length_bytes:
            raise LengthPassed(limit=self._length_bytes, received=self._received)
        self._incoming.check_size(self._received)
        for _, digest in self._checks:
            digest.update(piece)
        self._keep(piece)
        self._turn.taken_bytes += len(piece)
        if self._turn.must_end:
            raise UploadTakenOver

    def end(self) -> None:
        """Says that these were all bytes; when this returns they are right and durable.

        Raises ChecksumWrong, NotAudio or StorageError.
        """
        for check, digest in self._checks:
            if digest.digest() != check.digest:
                self._take_back()
                raise ChecksumWrong(check.algorithm)
        if self._refused is not None:
            raise self._refused
        self._incoming.staged.make_durable()

    def _keep(self, piece: Piece) -> None:
        if self._refused is not None:
            return
        try:
            self._incoming.write(piece)
        except NotAudio as error:
            if not self._checks:
                raise
            self._refused = error

    def _take_back(self) -> None:
        if self._mark is not None:
            self._incoming.go_back(self._mark)
