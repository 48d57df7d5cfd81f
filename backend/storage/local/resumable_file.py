"""An unfinished upload as a file, which one process at a time appends to.

The lock is flock(2) on the file itself, so it ends with the process that holds it. Another process asks for its release
by a marker file beside it, which the holder checks for.
"""

import fcntl
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from storage.contract import PIECE_BYTES, InUse, Piece
from storage.local.error_mapping import translated
from storage.local.staged_file import (
    NEW_FILE,
    NO_LINKS,
    PRIVATE_FILE,
    WRITE_BACK_BYTES,
    folder_of,
    remove,
    start_write_back,
    sync_folder,
    write_all,
    write_and_close,
)

UPLOADS = "uploads"
_APPENDED = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class ResumableFile:
    """See `Resumable`: the file at `path`; `place` maps a name to its path."""

    def __init__(self, path: str, *, place: Callable[[str], str], request_release: bool) -> None:
        """Raises InUse or OSError."""
        self._path = path
        self._release_request = f"{path}.wanted"
        self._place = place
        self._published: list[str] = []
        try:
            self._descriptor = _locked(path)
        except BlockingIOError as error:
            if request_release:
                Path(self._release_request).touch(PRIVATE_FILE)
            raise InUse from error
        remove(self._release_request)
        self._write_back_offset = self.size_bytes
        self._synced = False  # the process before may have been killed before it synced
        self._is_named = False  # durably; nor has it synced the folder, perhaps

    @property
    def size_bytes(self) -> int:
        """See `Resumable.size_bytes`."""
        with translated():
            return os.fstat(self._descriptor).st_size

    def release_requested(self) -> bool:
        """See `Resumable.release_requested`."""
        with translated():
            return os.path.exists(self._release_request)

    def pieces(self, *, start: int = 0) -> Iterator[bytes]:
        """See `Resumable.pieces`."""
        position = start
        with translated():
            while piece := os.pread(self._descriptor, PIECE_BYTES, position):
                position += len(piece)
                yield piece

    def write(self, piece: Piece) -> None:
        """See `Staged.write`."""
        with translated():
            self._synced = False
            write_all(self._descriptor, piece)
            pending_bytes = self.size_bytes - self._write_back_offset
            if pending_bytes >= WRITE_BACK_BYTES:
                start_write_back(self._descriptor, self._write_back_offset, pending_bytes)
                self._write_back_offset += pending_bytes

    def truncate(self, size_bytes: int) -> None:
        """See `Resumable.truncate`."""
        with translated():
            self._synced = False
            os.ftruncate(self._descriptor, size_bytes)
            self._write_back_offset = min(self._write_back_offset, size_bytes)

    def make_durable(self) -> None:
        """See `Resumable.make_durable`."""
        if self._synced:
            return
        with translated():
            os.fsync(self._descriptor)
            if not self._is_named:
                sync_folder(folder_of(self._path))  # its name must be as durable as its bytes
                self._is_named = True
            self._synced = True

    def publish(self, name: str, *, beside: Mapping[str, bytes]) -> None:
        """See `Resumable.publish`."""
        with translated():
            target = self._place(name)
            if not self._synced:
                os.fsync(self._descriptor)  # under the other name, so that their own needn't be durable
            for other, content in beside.items():
                self._publish_file(self._place(other), partial(_write_new, content=content))
            self._publish_file(target, self._link)
            sync_folder(folder_of(target))

    def retract(self) -> None:
        """See `Resumable.retract`."""
        with translated():
            for path in self._published:
                remove(path)
            self._published.clear()

    def forget(self) -> None:
        """See `Resumable.forget`."""
        with translated():
            remove(self._path)
            remove(self._release_request)

    def discard(self) -> None:
        """See `Staged.discard`."""
        self.retract()
        self.forget()

    def release(self) -> None:
        """See `Resumable.release`."""
        with translated():
            os.close(self._descriptor)

    def _publish_file(self, target: str, make: Callable[[str], None]) -> None:
        """Makes the file, or replaces one of an earlier try."""
        self._published.append(target)
        try:
            make(target)
        except FileExistsError:
            self._replace(target, make)

    def _replace(self, target: str, make: Callable[[str], None]) -> None:
        """Makes the file under a temporary name first, so that `target` is always complete."""
        temporary = f"{folder_of(folder_of(self._path))}/{random.getrandbits(128):032x}"
        try:
            make(temporary)
            os.replace(temporary, target)
        finally:
            remove(temporary)  # rename(2) leaves it where both names are the same file already

    def _link(self, path: str) -> None:
        try:
            os.link(self._path, path)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            self._replace(path, self._copy)

    def _copy(self, path: str) -> None:
        with open(self._path, "rb") as source, os.fdopen(os.open(path, NEW_FILE, PRIVATE_FILE), "wb") as copy:
            shutil.copyfileobj(source, copy, PIECE_BYTES)
            copy.flush()
            os.fsync(copy.fileno())


def _locked(path: str) -> int:
    """A descriptor of the file, locked by this process. Raises BlockingIOError.

    Before it is locked, the holder before may have removed the file: then the path is opened again.
    """
    while True:
        descriptor = os.open(path, _APPENDED, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: str) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False


def _write_new(path: str, *, content: bytes) -> None:
    write_and_close(os.open(path, NEW_FILE, PRIVATE_FILE), content)
