"""The protocol for comparing storage with the database: list all objects, and quarantine those without a row.

It never destroys finished bytes. Which object belongs to which row is the caller's business.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from uuid import UUID

from storage.contract import StorageError


class IdentityUnreadable(StorageError):
    message = "The file that holds the storage's id has something else in it."


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A finished object. `age_seconds` counts by storage's own clock; a young object may be in use."""

    name: str
    age_seconds: float
    size_bytes: int


class Upkeep(Protocol):
    """Every method raises StorageError on failure."""

    async def identity(self) -> UUID | None:
        """The storage's id; None while it has none. Raises IdentityUnreadable."""
        ...

    async def identify(self, identity: UUID) -> None:
        """Sets the storage's id durably, over an existing one."""
        ...

    def walk(self) -> AsyncGenerator[Sequence[StoredObject]]:
        """All finished objects in batches, in no order: nothing staged, nothing quarantined, no hidden file."""
        ...

    async def locate(self, names: Sequence[str]) -> Sequence[str | None]:
        """For each name, which may be spelled in an old way, the name that `walk` yields; None where it is missing."""
        ...

    async def quarantine(self, names: Sequence[str]) -> Sequence[str]:
        """Moves these objects, one after the other, to where nothing is served or removed.

        Returns the names that were moved: some may be missing by now.
        """
        ...

    async def restore(self, names: Sequence[str]) -> Sequence[str]:
        """Moves quarantined objects back, unless the name is taken. Returns the names that were moved."""
        ...

    async def expire_staged(self, *, older_than_seconds: float, dry_run: bool) -> int:
        """Removes staged bytes of that age that no process holds. Returns their number.

        Unfinished uploads under a key are not among them: they expire by the table.
        """
        ...

    async def sweep_age_seconds(self) -> float | None:
        """The seconds since any process called `record_sweep`; None if never. Negative after a clock jump."""
        ...

    async def record_sweep(self) -> None:
        """Records the time of a complete comparison."""
        ...


@runtime_checkable
class ProvidesUpkeep(Protocol):
    """A driver that can be compared with the table."""

    def upkeep(self) -> Upkeep: ...
