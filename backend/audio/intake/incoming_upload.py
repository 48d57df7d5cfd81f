"""One upload as it arrives: its bytes are counted, recognised, hashed and written in one pass, in any thread."""

from collections.abc import Callable

from audio.model.formats import AudioFormat
from audio.model.recognition import HEAD_BYTES, Recogniser
from core.errors import PegasusError
from storage.contract import Piece, Staged
from storage.hashing import Digest


class UploadTooLarge(PegasusError):
    def __init__(self, *, limit: int, received: int) -> None:
        super().__init__(f"The upload has {received} bytes or more, and at most {limit} are taken.")
        self.limit = limit
        self.received = received


class UploadEmpty(PegasusError):
    message = "The uploaded file is empty."


class IncomingUpload:
    """The bytes of an upload so far. Its methods block, and must not run at the same time.

    `before_bytes` is called once, before the first byte is written, so that it can still refuse the upload.
    `may_have_row` says that a row may name these bytes, so they must not be removed any more.
    """

    def __init__(self, staged: Staged, *, limit_bytes: int, before_bytes: Callable[[], object]) -> None:
        self.staged = staged
        self.received = 0
        self.may_have_row = False
        self._limit_bytes = limit_bytes
        self._before_bytes = before_bytes
        self._head: bytearray | None = bytearray()  # until it is complete
        self._recogniser = Recogniser()
        self._digest = Digest()

    def write(self, piece: Piece) -> None:
        """Takes in the next bytes. Raises UploadTooLarge, NotAudio, StorageError, or what `before_bytes` raises."""
        self.received += len(piece)
        self.check_size(self.received)
        if self._head is None:
            self._append(piece)
        elif not self._head and len(piece) >= HEAD_BYTES:
            self._begin(piece)
        else:
            self._head += piece
            if len(self._head) >= HEAD_BYTES:
                self._begin(self._head)

    def end(self) -> AudioFormat:
        """Returns the format, once all bytes are written. Raises UploadEmpty, or as `write` does."""
        if self.received == 0:
            self._before_bytes()
            raise UploadEmpty
        if self._head is not None:
            self._before_bytes()
            self._recogniser.feed(self._head)
            self._recogniser.finish()
            self._write(self._head)
        return self._recogniser.finish().audio

    @property
    def sha256(self) -> bytes:
        """The SHA-256 of all bytes; valid after `end`."""
        return self._digest.digest()

    def check_size(self, received: int) -> None:
        """Raises UploadTooLarge where `received` bytes are over the limit."""
        if received > self._limit_bytes:
            raise UploadTooLarge(limit=self._limit_bytes, received=received)

    def _begin(self, head: Piece) -> None:
        self._head = None
        self._before_bytes()
        self._append(head)

    def _append(self, piece: Piece) -> None:
        self._recogniser.feed(piece)
        self._write(piece)

    def _write(self, piece: Piece) -> None:
        self._digest.update(piece)
        self.staged.write(piece)
