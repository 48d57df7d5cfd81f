"""Recordings as files under one folder: staged in the same file system, then linked into place, then durable.

It trusts no name that comes from a table: nothing outside the folder is ever opened or removed.
"""

import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TypeVar

from storage.contract import (
    PIECE_BYTES,
    BytesMissing,
    NameRefused,
    NameTaken,
    Piece,
    Resumable,
    Staged,
    StorageFull,
    StorageUnavailable,
)
from storage.local.error_mapping import translated
from storage.local.resumable_file import UPLOADS, ResumableFile
from storage.local.staged_file import PRIVATE_FOLDER, FolderElsewhere, Folders, StagedFile
from storage.local.upkeep import LocalUpkeep, file_system_time
from storage.object_names import OWN, QUARANTINE, STAGING, checked_key, checked_name
from storage.threads import in_thread
from storage.upkeep import Upkeep

T = TypeVar("T")
FREE_SHARE = 0.05
ROOM_KNOWN_SECONDS = 1.0
_CLOSED = {(STAGING,), (QUARANTINE,), (OWN,)}  # what is half-written, put aside, or the storage's own


class LocalStorage:
    """Keeps bytes under the folder `root`.

    `old_roots` are the folders from which the rows of old deployments may count their relative paths; what they name
    is found only where it lies under `root`.
    """

    def __init__(self, root: Path, *, old_roots: Sequence[Path] = ()) -> None:
        self._root = root
        self._starts = (root, *old_roots)
        self._folders = Folders(root)
        self._room_bytes = 0
        self._room_known_until = 0.0

    async def prepare(self) -> None:
        """Makes the folder where it isn't there yet. Raises StorageUnavailable."""
        await _done(lambda: self._root.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True))
        await self.check()

    async def check(self) -> None:
        """See `Storage.check`."""
        await _done(self._check)

    def stage(self) -> Staged:
        """See `Storage.stage`."""
        return _StagedRecording(self, StagedFile(self._root / STAGING))

    def resume(self, key: str, *, insistent: bool = True) -> Resumable:
        """See `ResumesUploads.resume`."""
        path = self._root / STAGING / UPLOADS / checked_key(key)
        with translated():
            self._folders.make(path.parent)
            return ResumableFile(path, place=self.place, insistent=insistent)

    async def check_room(self, adding_bytes: int) -> None:
        """See `KnowsItsRoom.check_room`: a part of the disk stays free, for the database and for the system."""
        if time.monotonic() > self._room_known_until:
            await _done(self._look_at_room)
        if self._room_bytes < adding_bytes:
            raise StorageFull
        self._room_bytes -= adding_bytes  # it isn't written yet, and others ask meanwhile

    async def replace(self, name: str, content: bytes) -> None:
        """See `Storage.replace`."""
        target = self._new_path(name)
        await _done(lambda: self._replace(target, content))

    async def read(self, name: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """See `Storage.read`."""
        with ExitStack() as stack:
            file = await _done(lambda: stack.enter_context(self._opened(name)))
            position = file.seek(start)
            while stop is None or position < stop:
                wanted = PIECE_BYTES if stop is None else min(PIECE_BYTES, stop - position)
                piece = await _done(partial(file.read, wanted))
                if not piece:
                    return
                position += len(piece)
                yield piece

    async def size(self, name: str) -> int:
        """See `Storage.size`."""
        return await _done(lambda: _still_there(self._found(name).stat).st_size)

    async def delete(self, name: str) -> None:
        """See `Storage.delete`."""
        with suppress(BytesMissing):
            await _done(lambda: _still_there(self._found(name).unlink))

    async def open_locally(self, name: str) -> FileIO:
        """See `OpensLocally.open_locally`."""
        with ExitStack() as stack:  # closes what was opened for somebody who was cancelled meanwhile
            file = await _done(lambda: stack.enter_context(self._opened(name)))
            stack.pop_all()
        return file

    def upkeep(self, *, clock: Callable[[Path], float] = file_system_time) -> Upkeep:
        """See `CanBeKeptUp.upkeep`."""
        return LocalUpkeep(self._root, staging=self._root / STAGING, find=self._found, done=_done, clock=clock)

    def _check(self) -> None:
        if not self._root.is_dir():
            raise StorageUnavailable("its folder is missing")
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            raise StorageUnavailable("its folder can't be written to")

    def _new_path(self, name: str) -> Path:
        return self._root / checked_name(name)

    def _made_ready(self, target: Path) -> None:
        """Sees to it that the target's folder is there; no link in the way may lead out of the root."""
        try:
            self._folders.make(target.parent)
        except FolderElsewhere as error:
            raise NameRefused from error

    def place(self, name: str) -> Path:
        """Where what bears this name lies, or will: its folder is there then; blocks. Raises NameRefused."""
        target = self._new_path(name)
        self._made_ready(target)
        return target

    def publish(self, staged: StagedFile, name: str, *, beside: Mapping[str, bytes]) -> None:
        """Puts a staged file into place; blocks. See `Staged.publish`."""
        target = self.place(name)
        try:
            staged.publish(target, beside={self._new_path(other): content for other, content in beside.items()})
        except FileExistsError as error:
            raise NameTaken from error

    def _look_at_room(self) -> None:
        disk = os.statvfs(self._root)
        self._room_bytes = int(disk.f_bavail * disk.f_frsize - disk.f_blocks * disk.f_frsize * FREE_SHARE)
        self._room_known_until = time.monotonic() + ROOM_KNOWN_SECONDS

    def _replace(self, target: Path, content: bytes) -> None:
        staged = StagedFile(self._root / STAGING)
        try:
            staged.open()
            staged.write(content)
            self._made_ready(target)
            staged.replace(target)
        except BaseException:
            staged.discard()
            raise

    def _opened(self, name: str) -> FileIO:
        path = self._found(name)
        return _still_there(lambda: path.open("rb", buffering=0))

    def _found(self, name: str) -> Path:
        """The file that `name` means. Raises BytesMissing when there is none, or it isn't one of ours to give."""
        for start in self._starts:
            with suppress(OSError, ValueError, RuntimeError):  # no such file, an impossible name, a loop of links
                path = (start / name).resolve(strict=True)
                if path.is_file() and self._holds(path):
                    return path
        raise BytesMissing

    def _holds(self, path: Path) -> bool:
        """Whether a resolved path lies under the root, and not where nothing is given out."""
        root = self._root.resolve()
        return path.is_relative_to(root) and path.relative_to(root).parts[:1] not in _CLOSED


def _still_there(work: Callable[[], T]) -> T:
    """A file that was found may be removed before it is used."""
    try:
        return work()
    except FileNotFoundError as error:
        raise BytesMissing from error


class _StagedRecording:
    """See `Staged`: a file that is made with its first bytes."""

    def __init__(self, storage: LocalStorage, file: StagedFile) -> None:
        self._storage = storage
        self._file = file

    def write(self, piece: Piece) -> None:
        """See `Staged.write`."""
        with translated():
            if not self._file.is_open:
                self._file.open()
            self._file.write(piece)

    def publish(self, name: str, *, beside: Mapping[str, bytes]) -> None:
        """See `Staged.publish`."""
        with translated():
            if not self._file.is_open:
                self._file.open()
            self._storage.publish(self._file, name, beside=beside)

    def discard(self) -> None:
        """See `Staged.discard`."""
        with translated():
            self._file.discard()


async def _done(work: Callable[[], T]) -> T:
    """Runs blocking work in a thread; what the operating system refuses comes out as the StorageError it means."""
    with translated():
        return await in_thread(work)
