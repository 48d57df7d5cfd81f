"""The protocols that a storage driver implements, and the errors that it raises.

Every driver is a `Storage`; each optional ability is a protocol of one method, for which a feature checks with
`isinstance`. A name is a relative path with `/`, as stored in the column `file_path`.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from io import FileIO
from typing import Protocol, runtime_checkable

from core.errors import PegasusError

PIECE_BYTES = 1024 * 1024
Piece = bytes | bytearray | memoryview


class StorageError(PegasusError):
    """A storage operation failed."""


class BytesMissing(StorageError):
    """Also raised for names that are never served, such as those of staged files."""

    message = "The bytes of this recording are not in storage."


class NameTaken(StorageError):
    """Existing bytes are never overwritten."""

    message = "Storage already holds something under that name."


class NameRefused(StorageError):
    message = "Storage keeps nothing under such a name."


class InUse(StorageError):
    """Another request or process holds the key."""

    message = "These bytes are in use."


class StorageFull(StorageError):
    message = "Storage is full."


class StorageUnavailable(StorageError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"Storage can't be used: {reason}.")
        self.reason = reason


class Staged(Protocol):
    """Bytes that are being written and have no name yet.

    Its methods block, so that one thread can write many pieces without the event loop; no two may run at the same
    time. Each raises StorageError on failure.
    """

    def write(self, piece: Piece) -> None:
        """Appends the piece. From the first one on, there is something to discard."""
        ...

    def publish(self, name: str, *, beside: Mapping[str, bytes]) -> None:
        """Gives the bytes their name, with small objects `beside` them; when this returns, all survive a power cut.

        Raises NameTaken rather than overwrite. After any error, `discard` leaves nothing behind.
        """
        ...

    def discard(self) -> None:
        """Removes the bytes, at any moment; after a successful `publish`, the published objects too."""
        ...


class Storage(Protocol):
    """A storage driver. Every method raises StorageError on failure."""

    def stage(self) -> Staged:
        """New bytes to write. Nothing is created until the first piece is written."""
        ...

    async def replace(self, name: str, content: bytes) -> None:
        """Stores a small object durably, over an existing one; readers see either the old or the new one."""
        ...

    def read(self, name: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes from `start` to `stop`, exclusive (None: the end), in pieces of at most PIECE_BYTES."""
        ...

    async def size(self, name: str) -> int:
        """The size in bytes. Raises BytesMissing."""
        ...

    async def delete(self, name: str) -> None:
        """Removes the object; a missing one is no error."""
        ...

    async def check(self) -> None:
        """Checks that storage answers and can be written to. Raises StorageUnavailable."""
        ...


@runtime_checkable
class ChecksFreeSpace(Protocol):
    """A driver that writes to a disk, which can be full."""

    async def check_free_space(self, adding_bytes: int) -> None:
        """Checks that so many more bytes fit, with a reserve. Raises StorageFull."""
        ...


@runtime_checkable
class OpensLocally(Protocol):
    """A driver whose bytes are files of this machine."""

    async def open_locally(self, name: str) -> FileIO:
        """The file with the bytes, open for reading; the caller closes it. Raises BytesMissing."""
        ...


@runtime_checkable
class SignsDownloads(Protocol):
    """A driver whose bytes can be downloaded by a signed link that expires."""

    def link(self, name: str, *, content_type: str, content_disposition: str) -> str:
        """A link to the bytes, which are sent with these two headers. Raises BytesMissing for a name never served.

        The link needs no further credentials. Whether the object exists is not checked.
        """
        ...


class Resumable(Staged, Protocol):
    """Bytes of an unfinished upload, stored under a key from one request and one process to the next.

    This holds the key exclusively, until `release` or the end of the process, even when it is killed.
    """

    @property
    def size_bytes(self) -> int:
        """The number of bytes written so far. Doesn't block."""
        ...

    def release_requested(self) -> bool:
        """Whether somebody else wants the key. May run at the same time as any other method."""
        ...

    def pieces(self, *, start: int = 0) -> Iterator[bytes]:
        """All bytes from `start` on, in pieces of at most PIECE_BYTES."""
        ...

    def truncate(self, size_bytes: int) -> None:
        """Drops everything after the first `size_bytes`."""
        ...

    def make_durable(self) -> None:
        """When this returns, all bytes survive a power cut under their key."""
        ...

    def publish(self, name: str, *, beside: Mapping[str, bytes]) -> None:
        """As `Staged.publish`, but the bytes stay under their key as well, and nothing may be appended any more.

        Existing objects of these names are replaced: the names belong to the key, so they are from an earlier try.
        """
        ...

    def retract(self) -> None:
        """Removes what `publish` created; the bytes stay under their key."""
        ...

    def forget(self) -> None:
        """Removes the bytes under the key; published objects stay."""
        ...

    def release(self) -> None:
        """Frees the key; this object can't be used any more. Bytes that weren't removed stay.

        Raises StorageError where the bytes written last couldn't be stored; the key is free all the same.
        """
        ...


@runtime_checkable
class ResumesUploads(Protocol):
    """A driver that stores unfinished bytes under a key."""

    def resume(self, key: str, *, request_release: bool = True) -> Resumable:
        """The bytes under the key, none where it is new. Blocks, but never for long.

        Raises InUse when somebody else holds the key; with `request_release` its `release_requested` is then true.
        """
        ...
