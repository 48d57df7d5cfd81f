"""One recording on its way in: its bytes are counted, recognised, hashed and written in one pass, in any thread."""

from collections.abc import Callable

from audio.model.formats import HEAD_BYTES, AudioFormat, NotAudio, recognise
from core.errors import PegasusError
from storage.contract import Piece, Staged
from storage.hashing import Digest


class UploadTooLarge(PegasusError):
    """A recording has more bytes than are taken in."""

    def __init__(self, *, limit: int, received: int) -> None:
        super().__init__(f"The upload has {received} bytes or more, and at most {limit} are taken.")
        self.limit = limit
        self.received = received


class UploadEmpty(PegasusError):
    """The upload has no bytes."""

    def __init__(self) -> None:
        super().__init__("The uploaded file is empty.")


class IncomingUpload:
    """What has come of a recording so far. Its methods block, and none runs at the same time as another.

    `before_bytes` is called once, before anything is kept: whatever is known by then can still be refused.
    `may_have_row` says that a row may name these bytes, so that nothing may remove them any more.
    """

    def __init__(self, staged: Staged, *, limit_bytes: int, before_bytes: Callable[[], object]) -> None:
        self.staged = staged
        self.received = 0
        self.may_have_row = False
        self._limit_bytes = limit_bytes
        self._before_bytes = before_bytes
        self._head = bytearray()
        self._audio: AudioFormat | None = None  # until the head is complete
        self._digest = Digest()

    def write(self, piece: Piece) -> None:
        """Takes in the next bytes. Raises UploadTooLarge, NotAudio, StorageError, or what `before_bytes` raises."""
        self.received += len(piece)
        self.check_size(self.received)
        if self._audio is not None:
            self._keep(piece)
        elif not self._head and len(piece) >= HEAD_BYTES:
            self._audio = self._recognised(piece)
            self._keep(piece)
        else:
            self._head += piece
            if len(self._head) >= HEAD_BYTES:
                self._keep_head()

    def end(self) -> AudioFormat:
        """Says that these were all bytes, and answers what they are. Raises UploadEmpty, or as `write` does."""
        if self.received == 0:
            self._before_bytes()
            raise UploadEmpty
        return self._audio or self._keep_head()

    @property
    def sha256(self) -> str:
        """The SHA-256 of all bytes, in hexadecimal; known once they have ended."""
        return self._digest.hexdigest()

    def check_size(self, received: int) -> None:
        """Raises UploadTooLarge where so many bytes are more than are taken."""
        if received > self._limit_bytes:
            raise UploadTooLarge(limit=self._limit_bytes, received=received)

    def _keep_head(self) -> AudioFormat:
        head, self._head = bytes(self._head), bytearray()
        self._audio = self._recognised(head)
        self._keep(head)
        return self._audio

    def _recognised(self, head: Piece) -> AudioFormat:
        self._before_bytes()
        audio = recognise(bytes(head[:HEAD_BYTES]))
        if audio is None:
            raise NotAudio
        return audio

    def _keep(self, piece: Piece) -> None:
        self._digest.update(piece)
        self.staged.write(piece)
