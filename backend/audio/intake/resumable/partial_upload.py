"""Resumable: one recording on its way in over several requests, of which every byte is kept as soon as it is there."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from audio.intake.incoming_upload import IncomingUpload, UploadEmpty
from audio.model.formats import HEAD_BYTES, AudioFormat
from storage.contract import Piece, Resumable
from storage.hashing import Digest

REMEMBERED = 64


@dataclass(frozen=True)
class Checkpoint:
    """How far a recording had come, to go back to."""

    received: int
    head: bytes
    audio: AudioFormat | None
    digest: Digest


class PartialUpload(IncomingUpload):
    """What has come of a recording so far, in whatever pieces; see `IncomingUpload`.

    Between two requests it has no bytes to write to: they are `attach`ed for the time of one.
    """

    staged: Resumable

    def __init__(self, staged: Resumable, *, limit_bytes: int) -> None:
        super().__init__(staged, limit_bytes=limit_bytes, before_bytes=lambda: None)

    def attach(self, staged: Resumable) -> None:
        """Goes on with the same bytes, which have been put away meanwhile and taken up again."""
        self.staged = staged

    def take_up(self, kept: Iterable[Piece]) -> None:
        """Takes in bytes that are kept already. Raises NotAudio, or StorageError."""
        for piece in kept:
            self._look_at(piece)
            self._digest.update(piece)

    def write(self, piece: Piece) -> None:
        """See `IncomingUpload.write`; a piece that is refused is not kept."""
        self._look_at(piece)
        self._keep(piece)

    def end(self) -> AudioFormat:
        """See `IncomingUpload.end`."""
        if not self.received:
            raise UploadEmpty
        return self._audio or self._recognised(bytes(self._head))

    def mark(self) -> Checkpoint:
        """How far it has come."""
        return Checkpoint(self.received, bytes(self._head), self._audio, self._digest.copy())

    def go_back(self, mark: Checkpoint) -> None:
        """Takes back what has come since. Raises StorageError."""
        self.staged.truncate(mark.received)
        self.received, self._head, self._audio = mark.received, bytearray(mark.head), mark.audio
        self._digest = mark.digest

    def _look_at(self, piece: Piece) -> None:
        received = self.received + len(piece)
        self.check_size(received)
        if self._audio is None:
            head = self._head + memoryview(piece)[: HEAD_BYTES - len(self._head)]
            if len(head) >= HEAD_BYTES:
                self._audio, head = self._recognised(head), bytearray()
            self._head = head
        self.received = received


class Prefixes:
    """What is known of the uploads that this process had to do with last, so that it need not be read again.

    It stays true as long as the upload has the bytes that it is about: those never change, only others follow, perhaps
    through another process.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, PartialUpload] = OrderedDict()
        self._lock = Lock()

    def take(self, upload_id: UUID, held: Resumable, *, limit_bytes: int) -> PartialUpload:
        """What has come of an upload so far; reads those of its bytes that aren't known. Blocks.

        Raises NotAudio or StorageError.
        """
        with self._lock:
            known = self._known.pop(upload_id, None)
        if known is None or known.received > held.size_bytes:
            known = PartialUpload(held, limit_bytes=limit_bytes)
        if known.received < held.size_bytes:
            known.take_up(held.pieces(start=known.received))
        known.attach(held)
        return known

    def keep(self, upload_id: UUID, incoming: PartialUpload) -> None:
        """Remembers it for the next request, unless something went wrong on the way to storage. Blocks.

        What isn't durable may be gone by then, and other bytes in its place. Raises StorageError.
        """
        incoming.staged.make_durable()
        if incoming.received != incoming.staged.size_bytes:
            return
        with self._lock:
            self._known[upload_id] = incoming
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def drop(self, upload_id: UUID) -> None:
        """Forgets an upload."""
        with self._lock:
            self._known.pop(upload_id, None)
