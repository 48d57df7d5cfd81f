"""One upload that arrives over several requests; each byte is written as soon as it is received."""

from collections import OrderedDict
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from audio.intake.incoming_upload import IncomingUpload, UploadEmpty
from audio.intake.resumable.errors import UploadDigestWrong
from audio.intake.resumable.repository import Upload
from audio.model.formats import AudioFormat
from audio.model.recognition import Recogniser
from storage.contract import Piece, Resumable
from storage.hashing import Digest

CACHED_UPLOADS = 64


@dataclass(frozen=True)
class Checkpoint:
    """The state of an upload, to roll back to."""

    received: int
    recogniser: Recogniser
    digest: Digest


class PartialUpload(IncomingUpload):
    """The bytes of an upload so far, in pieces of any size; see `IncomingUpload`.

    Between two requests it has no bytes to write to: they are `attach`ed for the time of one.
    """

    staged: Resumable

    def __init__(self, staged: Resumable, *, limit_bytes: int) -> None:
        super().__init__(staged, limit_bytes=limit_bytes, before_bytes=lambda: None)

    def attach(self, staged: Resumable) -> None:
        """Goes on with the same bytes, which were released and have been opened again."""
        self.staged = staged

    def read_stored(self, pieces: Iterable[Piece]) -> None:
        """Takes in bytes that are stored already. Raises NotAudio or StorageError."""
        for piece in pieces:
            self._inspect(piece)
            self._digest.update(piece)

    def write(self, piece: Piece) -> None:
        """See `IncomingUpload.write`; a piece that is refused is not written."""
        self._inspect(piece)
        self._write(piece)

    def end(self) -> AudioFormat:
        """See `IncomingUpload.end`."""
        if not self.received:
            raise UploadEmpty
        return self._recogniser.finish().audio

    def checkpoint(self) -> Checkpoint:
        """The state to which `roll_back` returns."""
        return Checkpoint(self.received, deepcopy(self._recogniser), self._digest.copy())

    def roll_back(self, checkpoint: Checkpoint) -> None:
        """Removes the bytes that were written since. Raises StorageError."""
        self.staged.truncate(checkpoint.received)
        self.received, self._recogniser, self._digest = checkpoint.received, checkpoint.recogniser, checkpoint.digest

    def _inspect(self, piece: Piece) -> None:
        received = self.received + len(piece)
        self.check_size(received)
        self._recogniser.feed(piece)
        self.received = received


def check_digests(upload: Upload, incoming: PartialUpload) -> None:
    """Compares all bytes of an upload with the digests that were sent for it. Blocks.

    Raises UploadDigestWrong or StorageError.
    """
    if upload.sha256 is not None and upload.sha256 != incoming.sha256:
        raise UploadDigestWrong("sha256")
    if upload.sha512 is not None:
        digest = Digest("sha512")
        for piece in incoming.staged.pieces():
            digest.update(piece)
        if digest.digest() != upload.sha512:
            raise UploadDigestWrong("sha512")


class PartialUploadCache:
    """The state of the uploads that this process received last, so that their bytes needn't be read again.

    Another process may append to an upload meanwhile, but bytes that it has never change. So a cached state is valid as
    long as the upload has at least as many bytes.
    """

    def __init__(self) -> None:
        self._uploads: OrderedDict[UUID, PartialUpload] = OrderedDict()
        self._lock = Lock()

    def load(self, upload_id: UUID, staged: Resumable, *, limit_bytes: int) -> PartialUpload:
        """Takes an upload's state out of the cache, and reads those of its bytes that aren't in it. Blocks.

        Raises NotAudio or StorageError.
        """
        with self._lock:
            upload = self._uploads.pop(upload_id, None)
        if upload is None or upload.received > staged.size_bytes:
            upload = PartialUpload(staged, limit_bytes=limit_bytes)
        if upload.received < staged.size_bytes:
            upload.read_stored(staged.pieces(start=upload.received))
        upload.attach(staged)
        return upload

    def store(self, upload_id: UUID, upload: PartialUpload) -> None:
        """Makes an upload's bytes durable and caches its state, unless not all bytes were stored. Blocks.

        Without `make_durable` a crash could replace them by other bytes. Raises StorageError.
        """
        upload.staged.make_durable()
        if upload.received != upload.staged.size_bytes:
            return
        with self._lock:
            self._uploads[upload_id] = upload
            if len(self._uploads) > CACHED_UPLOADS:
                self._uploads.popitem(last=False)

    def drop(self, upload_id: UUID) -> None:
        """Removes an upload from the cache."""
        with self._lock:
            self._uploads.pop(upload_id, None)
