"""New bytes for an object store, published with the small objects beside them."""

import secrets
from collections.abc import Mapping
from contextlib import suppress

from storage.contract import Piece, StorageError
from storage.object_names import STAGING, checked_name
from storage.s3.bucket import Bucket
from storage.s3.chunks import Chunks

IN_FLIGHT = 3


class Published:
    """The published objects, the recording itself last."""

    def __init__(self, bucket: Bucket, *, only_new: bool) -> None:
        self._bucket = bucket
        self._only_new = only_new
        self._names: list[str] = []

    def publish(self, chunks: Chunks, name: str, *, beside: Mapping[str, bytes]) -> None:
        """Gives the bytes their name. Raises NameRefused, NameTaken or StorageError."""
        for each in (name, *beside):
            checked_name(each)
        store = self._bucket.create if self._only_new else self._bucket.put
        for other, content in beside.items():
            store(other, content)
            self._names.append(other)
        chunks.complete(name, only_new=self._only_new)
        self._names.append(name)

    def retract(self) -> None:
        self._bucket.delete(*reversed(self._names))
        self._names.clear()


class StagedObject:
    """See `Staged`: small bytes stay in memory, large ones become chunks below a folder of their own."""

    def __init__(self, bucket: Bucket) -> None:
        self._chunks = Chunks(bucket, f"{STAGING}/{secrets.token_hex(16)}", in_flight=IN_FLIGHT)
        self._published = Published(bucket, only_new=True)
        self._is_staged = False

    def write(self, piece: Piece) -> None:
        """See `Staged.write`."""
        self._is_staged = True
        self._chunks.write(piece)

    def publish(self, name: str, *, beside: Mapping[str, bytes]) -> None:
        """See `Staged.publish`."""
        self._published.publish(self._chunks, name, beside=beside)
        with suppress(StorageError):  # the chunks expire
            self._clear()

    def discard(self) -> None:
        """See `Staged.discard`."""
        self._published.retract()
        self._clear()

    def _clear(self) -> None:
        if self._is_staged:
            self._chunks.remove()
            self._is_staged = False
