"""The driver for a local folder: files are staged in the same file system, then linked into place durably.

It trusts no name from the database: nothing outside the folder is ever opened or removed.
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
from storage.local.staged_file import PRIVATE_FOLDER, FolderElsewhere, Folders, StagedFile, folder_of
from storage.local.upkeep import LocalUpkeep, file_system_time
from storage.object_names import OWN, QUARANTINE, STAGING, checked_key, checked_name
from storage.threads import in_thread
from storage.upkeep import Upkeep

T = TypeVar("T")
FREE_SHARE = 0.05
FREE_SPACE_CACHE_SECONDS = 1.0
_NEVER_SERVED = {(STAGING,), (QUARANTINE,), (OWN,)}  # staged, quarantined, or the storage's own


class LocalStorage:
    """Stores bytes under the folder `root`.

    Rows of old deployments may have paths relative to one of `old_roots`; such a file is served only if it lies under
    `root`.
    """

    def __init__(self, root: Path, *, old_roots: Sequence[Path] = ()) -> None:
        self._root = root
        self._starts = (root, *old_roots)
        self._folders = Folders(str(root))
        self._prefix = f"{root}/"
        self._staging = f"{root}/{STAGING}"
        self._uploads = f"{self._staging}/{UPLOADS}"
        self._free_bytes = 0
        self._free_bytes_expire = 0.0

    async def prepare(self) -> None:
        """Makes the folder if it is missing. Raises StorageUnavailable."""
        await _run_blocking(lambda: self._root.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True))
        await self.check()

    async def check(self) -> None:
        """See `Storage.check`."""
        await _run_blocking(self._check)

    def stage(self) -> Staged:
        """See `Storage.stage`."""
        return _StagedRecording(self, StagedFile(self._staging))

    def resume(self, key: str, *, request_release: bool = True) -> Resumable:
        """See `ResumesUploads.resume`."""
        path = f"{self._uploads}/{checked_key(key)}"
        with translated():
            self._folders.make(self._uploads)
            return ResumableFile(path, place=self.place, request_release=request_release)

    async def check_free_space(self, adding_bytes: int) -> None:
        """See `ChecksFreeSpace.check_free_space`: FREE_SHARE of the disk stays free for the database and the system."""
        if time.monotonic() > self._free_bytes_expire:
            await _run_blocking(self._measure_free_space)
        if self._free_bytes < adding_bytes:
            raise StorageFull
        self._free_bytes -= adding_bytes  # reserved: it isn't written yet, and others check meanwhile

    async def replace(self, name: str, content: bytes) -> None:
        """See `Storage.replace`."""
        target = self._new_path(name)
        await _run_blocking(lambda: self._replace(target, content))

    async def read(self, name: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """See `Storage.read`."""
        with ExitStack() as stack:
            file = await _run_blocking(lambda: stack.enter_context(self._open(name)))
            position = file.seek(start)
            while stop is None or position < stop:
                size_bytes = PIECE_BYTES if stop is None else min(PIECE_BYTES, stop - position)
                piece = await _run_blocking(partial(file.read, size_bytes))
                if not piece:
                    return
                position += len(piece)
                yield piece

    async def size(self, name: str) -> int:
        """See `Storage.size`."""
        return await _run_blocking(lambda: _raising_missing(self._resolve(name).stat).st_size)

    async def delete(self, name: str) -> None:
        """See `Storage.delete`."""
        with suppress(BytesMissing):
            await _run_blocking(lambda: _raising_missing(self._resolve(name).unlink))

    async def open_locally(self, name: str) -> FileIO:
        """See `OpensLocally.open_locally`."""
        with ExitStack() as stack:  # closes the file if this is cancelled meanwhile
            file = await _run_blocking(lambda: stack.enter_context(self._open(name)))
            stack.pop_all()
        return file

    def upkeep(self, *, clock: Callable[[Path], float] = file_system_time) -> Upkeep:
        """See `ProvidesUpkeep.upkeep`."""
        return LocalUpkeep(
            self._root, staging=self._root / STAGING, resolve=self._resolve, run_blocking=_run_blocking, clock=clock
        )

    def _check(self) -> None:
        if not self._root.is_dir():
            raise StorageUnavailable("its folder is missing")
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            raise StorageUnavailable("its folder can't be written to")

    def _new_path(self, name: str) -> str:
        return self._prefix + checked_name(name)

    def _make_parent(self, target: str) -> None:
        """Raises NameRefused where a link on the way leads out of the root."""
        try:
            self._folders.make(folder_of(target))
        except FolderElsewhere as error:
            raise NameRefused from error

    def place(self, name: str) -> str:
        """The path for a name, whose folder is made; blocks. Raises NameRefused."""
        target = self._new_path(name)
        self._make_parent(target)
        return target

    def publish(self, staged: StagedFile, name: str, *, beside: Mapping[str, bytes]) -> None:
        """Publishes a staged file; blocks. See `Staged.publish`."""
        target = self.place(name)
        try:
            staged.publish(target, beside={self._new_path(other): content for other, content in beside.items()})
        except FileExistsError as error:
            raise NameTaken from error

    def _measure_free_space(self) -> None:
        disk = os.statvfs(self._root)
        self._free_bytes = int(disk.f_bavail * disk.f_frsize - disk.f_blocks * disk.f_frsize * FREE_SHARE)
        self._free_bytes_expire = time.monotonic() + FREE_SPACE_CACHE_SECONDS

    def _replace(self, target: str, content: bytes) -> None:
        staged = StagedFile(self._staging)
        try:
            staged.open()
            staged.write(content)
            self._make_parent(target)
            staged.replace(target)
        except BaseException:
            staged.discard()
            raise

    def _open(self, name: str) -> FileIO:
        path = self._resolve(name)
        return _raising_missing(lambda: path.open("rb", buffering=0))

    def _resolve(self, name: str) -> Path:
        """The path of the file of that name. Raises BytesMissing, also when it may not be served."""
        for start in self._starts:
            with suppress(OSError, ValueError, RuntimeError):  # no such file, an impossible name, a loop of links
                path = (start / name).resolve(strict=True)
                if path.is_file() and self._is_served(path):
                    return path
        raise BytesMissing

    def _is_served(self, path: Path) -> bool:
        """Whether a resolved path lies under the root, outside of _NEVER_SERVED."""
        root = self._root.resolve()
        return path.is_relative_to(root) and path.relative_to(root).parts[:1] not in _NEVER_SERVED


def _raising_missing(work: Callable[[], T]) -> T:
    """Maps FileNotFoundError to BytesMissing: a resolved file may be removed before it is used."""
    try:
        return work()
    except FileNotFoundError as error:
        raise BytesMissing from error


class _StagedRecording:
    """See `Staged`: the file is made with its first bytes."""

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


async def _run_blocking(work: Callable[[], T]) -> T:
    """Runs blocking work in a thread, and raises its OSError as a StorageError."""
    with translated():
        return await in_thread(work)
