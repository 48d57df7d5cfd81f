"""What every place for bytes can do, and what only some can.

`Storage` is the essential handful; each further power is a one-method protocol beside it, so that a feature can ask
whether a driver has it. A name is a relative path with `/`, as the table keeps it in `file_path`.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from core.errors import PegasusError

PIECE_BYTES = 1024 * 1024


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


class StorageFull(StorageError):
    """There is no room left for the bytes."""

    def __init__(self) -> None:
        super().__init__("Storage is full.")


class StorageUnavailable(StorageError):
    """The place for bytes doesn't answer, or doesn't let us in."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Storage can't be used: {reason}.")
        self.reason = reason


class Digest(Protocol):
    """What sees every byte on its way to storage; a `hashlib` hash is one."""

    def update(self, data: bytes, /) -> None:
        """Takes in the next bytes."""


class Storage(Protocol):
    """Where bytes live. Every method raises a StorageError when it can't do what it says."""

    async def put(self, name: str, chunks: AsyncIterable[bytes], *, digest: Digest) -> int:
        """Stores a stream under a new name and returns its size; when this returns, the bytes survive a power cut.

        `digest` sees exactly the bytes that are written, in order and in the same pass. After any exception, one of
        `chunks` and a cancellation included, nothing is left. Raises NameTaken rather than overwrite.
        """
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
class OpensLocally(Protocol):
    """A driver whose bytes lie in files of this machine."""

    async def local_path(self, name: str) -> Path:
        """The file that holds the bytes, to be read only. Raises BytesMissing."""
        ...
