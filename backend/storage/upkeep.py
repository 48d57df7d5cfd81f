"""What a driver of storage can do for whoever compares it with the table: tell what it holds, and put things aside.

It never destroys finished bytes. What belongs to whom is for the caller to know.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from uuid import UUID

from storage.contract import StorageError


class IdentityUnreadable(StorageError):
    """What storage holds as its own id is none."""

    def __init__(self) -> None:
        super().__init__("The file that holds the storage's id has something else in it.")


@dataclass(frozen=True, slots=True)
class Found:
    """Something that lies in storage, and for how long it has, by storage's own clock. A young one may be in use."""

    name: str
    age_seconds: float
    size_bytes: int


class Upkeep(Protocol):
    """Every method raises a StorageError when it can't do what it says."""

    async def identity(self) -> UUID | None:
        """The storage's id; None while it has none. Raises IdentityUnreadable."""
        ...

    async def identify(self, identity: UUID) -> None:
        """Gives the storage an id, durably, in place of the one it may have."""
        ...

    def walk(self) -> AsyncGenerator[Sequence[Found]]:
        """Everything finished, a batch at a time, in no order: nothing staged, nothing put aside, no hidden file."""
        ...

    async def locate(self, names: Sequence[str]) -> Sequence[str | None]:
        """For each name, which may be spelled in an old way, the one that `walk` tells; None where nothing lies."""
        ...

    async def put_aside(self, names: Sequence[str]) -> Sequence[str]:
        """Moves what lies under these names, one after the other, to where nothing is given out or removed.

        Returns those that were moved: some may be gone by now.
        """
        ...

    async def put_back(self, names: Sequence[str]) -> Sequence[str]:
        """Moves what was put aside back under its name, unless something else lies there. Returns what was moved."""
        ...

    async def expire_staged(self, *, older_than_seconds: float, dry_run: bool) -> int:
        """Removes what was staged that long ago and nobody holds any more. Returns how many there were.

        Unfinished uploads that are kept under a key are not among them: they expire by the table.
        """
        ...

    async def swept_ago(self) -> float | None:
        """How many seconds ago `note_sweep` was called, by any process; None if never. Negative after a clock jump."""
        ...

    async def note_sweep(self) -> None:
        """Remembers that now everything has been compared."""
        ...


@runtime_checkable
class CanBeKeptUp(Protocol):
    """A driver that can be compared with the table."""

    def upkeep(self) -> Upkeep:
        """The means for that."""
        ...
