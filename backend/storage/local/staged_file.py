"""A file written in a staging folder, then moved to its destination complete and durable, or not at all.

Paths are strings here: to make path objects takes as long as to make the file.
"""

import ctypes
import errno
import fcntl
import os
import random
import sys
from contextlib import suppress
from pathlib import Path

from storage.contract import Piece

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
WRITE_BACK_BYTES = 16 * 1024 * 1024
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}  # what file systems without hard links answer
_SYNC_FILE_RANGE_WRITE = 2


class StagedFile:
    """One file in the staging folder. Its methods block, and no two may run at the same time.

    Its life: `open`, `write` as often as needed, then `publish` or `replace`; or `discard` at any moment, even after
    the others, which undoes everything.
    """

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/{random.getrandbits(128):032x}"  # unique is enough, and needs no system call
        self._descriptor: int | None = None
        self._published: list[str] = []
        self._write_back_offset = 0
        self.size_bytes = 0

    def open(self) -> None:
        """Creates the file, private to this user, and locks it: whatever its age, it is in use until closed."""
        try:
            self._descriptor = os.open(self._path, NEW_FILE, PRIVATE_FILE)
        except FileNotFoundError:
            with suppress(FileExistsError):  # another one makes it at the same time
                os.mkdir(folder_of(self._path), PRIVATE_FOLDER)
            self._descriptor = os.open(self._path, NEW_FILE, PRIVATE_FILE)
        with suppress(OSError):  # where files can't be locked, the sweeper can't lock it either
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def is_open(self) -> bool:
        return self._descriptor is not None

    def write(self, piece: Piece) -> None:
        """Appends `piece`, and starts write-back early, so that the fsync of `publish` has little left to do."""
        write_all(self._open_descriptor, piece)
        self.size_bytes += len(piece)
        if self.size_bytes - self._write_back_offset >= WRITE_BACK_BYTES:
            start_write_back(self._open_descriptor, self._write_back_offset, self.size_bytes - self._write_back_offset)
            self._write_back_offset = self.size_bytes

    def publish(self, target: str, *, beside: dict[str, bytes]) -> None:
        """Makes the file durable and gives it its name, with small files `beside` it in the same folder.

        Raises FileExistsError.
        """
        os.fsync(self._open_descriptor)
        for path, content in beside.items():
            self._write_beside(path, content)
        try:
            os.link(self._path, target)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            os.close(os.open(target, NEW_FILE, PRIVATE_FILE))  # the name is reserved, then filled
            self._published.append(target)
            os.replace(self._path, target)
        self._published.append(target)
        self._leave_staging()
        sync_folder(folder_of(target))

    def replace(self, target: str) -> None:
        """Makes the file durable and moves it to `target`, over an existing file."""
        os.fsync(self._open_descriptor)
        os.replace(self._path, target)
        self._leave_staging()
        sync_folder(folder_of(target))

    def discard(self) -> None:
        """Removes the file, in staging and under the names that `publish` gave."""
        self._leave_staging()
        for path in self._published:
            remove(path)
        self._published.clear()

    def _write_beside(self, path: str, content: bytes) -> None:
        """Nothing reads it before the file itself has its name, so it needs no staging."""
        descriptor = os.open(path, NEW_FILE, PRIVATE_FILE)
        self._published.append(path)
        write_and_close(descriptor, content)

    def _leave_staging(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            remove(self._path)

    @property
    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise ValueError("This file isn't open.")
        return self._descriptor


class FolderElsewhere(OSError):
    """A folder below the root is a link that leads out of it."""


class Folders:
    """The folders below `root`, made when they are needed and durable before anything is put into them."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._durable: set[str] = set()

    def make(self, folder: str) -> None:
        """Makes `folder` with its parents up to the root.

        An existing folder may just have been made by a process that hasn't synced it yet, so each process syncs it
        once. Raises FolderElsewhere when a link on the way leads out of the root.
        """
        if folder == self._root or (folder in self._durable and os.path.isdir(folder)):
            return
        self.make(folder_of(folder))
        Path(folder).mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        if not Path(folder).resolve().is_relative_to(Path(self._root).resolve()):
            raise FolderElsewhere
        sync_folder(folder_of(folder))
        self._durable.add(folder)


def folder_of(path: str) -> str:
    """The folder in which a path lies."""
    return path.rpartition("/")[0]


def remove(path: str) -> None:
    """Removes a file, where there is one."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def write_and_close(descriptor: int, content: bytes) -> None:
    """Writes a small file, durable but for its name."""
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, piece: Piece) -> None:
    """Writes all of `piece`: one write(2) may write less."""
    written = os.write(descriptor, piece)
    while written < len(piece):
        written += os.write(descriptor, memoryview(piece)[written:])


def sync_folder(folder: str) -> None:
    """Makes the names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def start_write_back(descriptor: int, start: int, length: int) -> None:
    """Starts writing bytes to the disk, without waiting, by sync_file_range(2) where there is one.

    It only saves time: fsync makes bytes durable.
    """
    if _sync_file_range is not None:
        _sync_file_range(descriptor, start, length, _SYNC_FILE_RANGE_WRITE)


def _system_call() -> "ctypes._NamedFuncPointer | None":
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function


_sync_file_range = _system_call()
