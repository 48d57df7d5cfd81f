"""One recording on its way in: its bytes are counted, recognised, hashed and written in one pass, in any thread."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from threading import Semaphore

from audio.formats import HEAD_BYTES, AudioFormat, recognise
from core.errors import PegasusError
from storage.contract import Piece, Staged

ASIDE_BYTES = 256 * 1024
ASIDE_THREADS = max(1, (os.cpu_count() or 1) // 2)  # where all processors have enough to do, there is no beside
_free = Semaphore(ASIDE_THREADS)


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


class NotAudio(PegasusError):
    """The bytes are not those of an audio format that is taken in."""

    def __init__(self) -> None:
        super().__init__(
            "The uploaded bytes are not audio in a known format"
            " (wav, mp3, m4a, mp4, 3gp, ogg, opus, flac, webm, mka, aac, amr, aiff, caf, wma)."
        )


class Incoming:
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
        self._digest = DigestAside()

    def write(self, piece: Piece) -> None:
        """Takes in the next bytes. They have to stay as they are until the next call, be it with none.

        Raises UploadTooLarge, NotAudio, StorageError, or what `before_bytes` raises; nobody looks at them after that.
        """
        self._digest.settle()
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
        audio = self._audio or self._keep_head()
        self._digest.settle()
        return audio

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
        try:
            self.staged.write(piece)
        except BaseException:
            self._digest.settle()
            raise


class DigestAside:
    """A digest that takes large pieces in beside the thread that brings them, which writes them meanwhile."""

    def __init__(self, digest: "hashlib._Hash | None" = None) -> None:
        self._digest = digest or hashlib.sha256()
        self._under_way: Future[None] | None = None

    def update(self, piece: Piece) -> None:
        """Takes in a piece, which stays as it is until `settle` returns; that has to be called before the next."""
        if len(piece) < ASIDE_BYTES or not _free.acquire(blocking=False):
            self._digest.update(piece)
        else:
            self._under_way = _aside().submit(partial(self._digest.update, piece))
            self._under_way.add_done_callback(lambda _: _free.release())

    def settle(self) -> None:
        """Waits until all pieces are taken in."""
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def copy(self) -> "DigestAside":
        """Another one that has taken in the same."""
        self.settle()
        return DigestAside(self._digest.copy())

    def digest(self) -> bytes:
        """The digest of all pieces."""
        return bytes.fromhex(self.hexdigest())

    def hexdigest(self) -> str:
        """The digest of all pieces, in hexadecimal."""
        self.settle()
        return self._digest.hexdigest()


@cache
def _aside() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(ASIDE_THREADS, thread_name_prefix="digest")
