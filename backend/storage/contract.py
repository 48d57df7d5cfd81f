"""What every place for bytes can do, and what only some can.

`Storage` is the essential handful; each further power is a one-method protocol beside it, so that a feature can ask
whether a driver has it. A name is a relative path with `/`, as the table keeps it in `file_path`.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from io import FileIO
from typing import Protocol, runtime_checkable

from core.errors import PegasusError

PIECE_BYTES = 1024 * 1024
Piece = bytes | bytearray | memoryview


class StorageError(PegasusError):
    """The place for bytes could not do what was asked of it."""


class BytesMissing(StorageError):
    """There are no bytes under that name, or none that may be given out."""

    def __init__(self) -> None:
        super().__init__("The bytes of this recording are not in storage.")


class NameTaken(StorageError):
    """Bytes already lie under that name; they are never overwritten."""

    def __init__(self) -> None:
        super().__init__("Storage already holds something under that name.")


class NameRefused(StorageError):
    """The name is not one under which this driver would ever store anything."""

    def __init__(self) -> None:
        super().__init__("Storage keeps nothing under such a name.")


class InUse(StorageError):
    """Somebody else has the bytes under that key."""

    def __init__(self) -> None:
        super().__init__("These bytes are in use.")


class StorageFull(StorageError):
    """There is no room left for the bytes."""

    def __init__(self) -> None:
        super().__init__("Storage is full.")


class StorageUnavailable(StorageError):
    """The place for bytes doesn't answer, or doesn't let us in."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Storage can't be used: {reason}.")
        self.reason = reason


class Staged(Protocol):
    """Bytes on their way into storage, which have no name yet.

    Its methods block, so that many bytes can pass in one thread without a word to the event loop; none may run at the
    same time as another. Each raises a StorageError when it can't do what it says.
    """

    def write(self, piece: Piece) -> None:
        """Appends the piece. The first one is what makes something that has to be discarded."""
        ...

    def publish(self, name: str, *, beside: Mapping[str, bytes]) -> None:
        """Gives the bytes their name, with small objects `beside` them; when this returns, all survive a power cut.

        Raises NameTaken rather than overwrite. What is raised, `discard` then leaves nothing behind.
        """
        ...

    def discard(self) -> None:
        """Removes what there is of them, at any moment; behind a `publish` that went well, those published too."""
        ...


class Storage(Protocol):
    """Where bytes live. Every method raises a StorageError when it can't do what it says."""

    def stage(self) -> Staged:
        """A place for the bytes of something new. It costs nothing until something is written."""
        ...

    async def replace(self, name: str, content: bytes) -> None:
        """Stores a small object whole and durably, in place of what may lie there; readers see the old or the new."""
        ...

    def read(self, name: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes from `start` up to but without `stop` (None: the end), in pieces of at most PIECE_BYTES."""
        ...

    async def size(self, name: str) -> int:
        """How many bytes lie under the name. Raises BytesMissing."""
        ...

    async def delete(self, name: str) -> None:
        """Removes what lies under the name; removing what isn't there is no error."""
        ...

    async def check(self) -> None:
        """Returns when storage answers and can be written to. Raises StorageUnavailable."""
        ...


@runtime_checkable
class KnowsItsRoom(Protocol):
    """A driver whose bytes fill a disk that can be full."""

    async def check_room(self, adding_bytes: int) -> None:
        """Returns when there is room for that many more bytes, with a reserve. Raises StorageFull."""
        ...


@runtime_checkable
class OpensLocally(Protocol):
    """A driver whose bytes lie in files of this machine."""

    async def open_locally(self, name: str) -> FileIO:
        """The file that holds the bytes, open for reading, for the caller to close. Raises BytesMissing."""
        ...


@runtime_checkable
class SignsDownloads(Protocol):
    """A driver whose bytes others can fetch by a link that is good for a while."""

    def link(self, name: str, *, content_type: str, content_disposition: str) -> str:
        """A link to the bytes under the name, which are sent with these two headers. Raises BytesMissing.

        Whoever has it needs nothing else. Nobody looks whether anything lies there.
        """
        ...


class Resumable(Staged, Protocol):
    """Bytes on their way in that stay under a key, from one request and one process to the next.

    Whoever has this has the key alone, until `release` or the end of the process, however that comes.
    """

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        ...

    def is_wanted(self) -> bool:
        """Whether somebody else has asked for the key meanwhile. May run at the same time as any other method."""
        ...

    def pieces(self, *, start: int = 0) -> Iterator[bytes]:
        """All bytes from `start` on, in pieces of at most PIECE_BYTES."""
        ...

    def truncate(self, size_bytes: int) -> None:
        """Takes back what lies behind the first `size_bytes`."""
        ...

    def make_durable(self) -> None:
        """When this returns, all bytes survive a power cut under their key."""
        ...

    def publish(self, name: str, *, beside: Mapping[str, bytes]) -> None:
        """As `Staged.publish`, but the bytes stay under their key as well, and nothing may be appended any more.

        What lies under one of the names is replaced: such names belong to the key, so it is from an earlier try.
        """
        ...

    def retract(self) -> None:
        """Removes what `publish` has put into place; the bytes stay under their key."""
        ...

    def forget(self) -> None:
        """Removes the bytes under their key; what was published stays."""
        ...

    def release(self) -> None:
        """Lets others have the key; nothing can be done with this any more. What wasn't removed stays.

        Raises StorageError where what was written last couldn't be kept; the key is free all the same.
        """
        ...


@runtime_checkable
class ResumesUploads(Protocol):
    """A driver that keeps unfinished bytes under a key."""

    def resume(self, key: str, *, insistent: bool = True) -> Resumable:
        """The bytes under the key, none where it is new. Blocks, but never for long.

        Raises InUse when somebody else has them, who then learns by `is_wanted` that they are asked for, unless
        that isn't `insistent`.
        """
        ...
