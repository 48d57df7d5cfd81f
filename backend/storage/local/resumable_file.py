"""Bytes that stay under a key until they are complete: a file that is appended to, by one process at a time.

The lock is flock(2) on the file itself, so it ends with the process that holds it, and can't be left behind. Who finds
it taken leaves a mark beside the file, which the holder looks for.
"""

import fcntl
import os
import secrets
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
    start_write_back,
    sync_folder,
    write_all,
)

UPLOADS = "uploads"
_APPENDED = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class ResumableFile:
    """See `Resumable`: the file at `path`; `place` finds where a name lies."""

    def __init__(self, path: Path, *, place: Callable[[str], Path], insistent: bool) -> None:
        """Raises InUse, or OSError."""
        self._path = path
        self._wanted = path.with_name(f"{path.name}.wanted")
        self._place = place
        self._published: list[Path] = []
        try:
            self._descriptor = _locked(path)
        except BlockingIOError as error:
            if insistent:
                self._wanted.touch(PRIVATE_FILE)
            raise InUse from error
        self._wanted.unlink(missing_ok=True)
        self._handed_on = self.size_bytes
        self._synced = False  # who had it before may have been killed before it synced

    @property
    def size_bytes(self) -> int:
        """See `Resumable.size_bytes`."""
        with translated():
            return os.fstat(self._descriptor).st_size

    def is_wanted(self) -> bool:
        """See `Resumable.is_wanted`."""
        with translated():
            return self._wanted.exists()

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
            waiting = self.size_bytes - self._handed_on
            if waiting >= WRITE_BACK_BYTES:
                start_write_back(self._descriptor, self._handed_on, waiting)
                self._handed_on += waiting

    def truncate(self, size_bytes: int) -> None:
        """See `Resumable.truncate`."""
        with translated():
            self._synced = False
            os.ftruncate(self._descriptor, size_bytes)
            self._handed_on = min(self._handed_on, size_bytes)

    def make_durable(self) -> None:
        """See `Resumable.make_durable`."""
        if self._synced:
            return
        with translated():
            os.fsync(self._descriptor)
            self._synced = True

    def publish(self, name: str, *, beside: Mapping[str, bytes]) -> None:
        """See `Resumable.publish`."""
        with translated():
            target = self._place(name)
            self.make_durable()
            for other, content in beside.items():
                self._put(self._place(other), partial(_write_new, content=content))
            self._put(target, self._link)
            sync_folder(target.parent)

    def retract(self) -> None:
        """See `Resumable.retract`."""
        with translated():
            for path in self._published:
                path.unlink(missing_ok=True)
            self._published.clear()

    def forget(self) -> None:
        """See `Resumable.forget`."""
        with translated():
            self._path.unlink(missing_ok=True)
            self._wanted.unlink(missing_ok=True)

    def discard(self) -> None:
        """See `Staged.discard`."""
        self.retract()
        self.forget()

    def release(self) -> None:
        """See `Resumable.release`."""
        with translated():
            os.close(self._descriptor)

    def _put(self, target: Path, make: Callable[[Path], None]) -> None:
        """Makes a file under another name first: whoever finds it under its own name finds it whole."""
        making = self._path.parent.with_name(secrets.token_hex(16))
        try:
            make(making)
            making.replace(target)
        finally:
            making.unlink(missing_ok=True)  # it stays where both names mean the same file already
        self._published.append(target)

    def _link(self, path: Path) -> None:
        try:
            os.link(self._path, path)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            self._copy(path)

    def _copy(self, path: Path) -> None:
        with self._path.open("rb") as ours, os.fdopen(os.open(path, NEW_FILE, PRIVATE_FILE), "wb") as copy:
            shutil.copyfileobj(ours, copy, PIECE_BYTES)
            copy.flush()
            os.fsync(copy.fileno())


def _locked(path: Path) -> int:
    """A descriptor of the file, which nobody else has locked. Raises BlockingIOError.

    Until it is locked, whoever had it may have removed the file: then it is another one that bears the name.
    """
    while True:
        descriptor = os.open(path, _APPENDED, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                if not os.fstat(descriptor).st_size:
                    sync_folder(path.parent)  # new, or never written: its name has to last as its bytes will
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _write_new(path: Path, *, content: bytes) -> None:
    descriptor = os.open(path, NEW_FILE, PRIVATE_FILE)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
