"""A file in the making: written beside its destination, then put into place whole and durable, or not at all."""

import errno
import os
import secrets
from pathlib import Path

from storage.contract import Digest

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}  # what file systems without hard links answer


class StagedFile:
    """One file in the folder for staging. Its methods block, and none runs at the same time as another.

    The life of one: `open`, `write` as often as needed, then `publish` or `replace`; or `discard` at any moment, even
    after the others, which takes everything back.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / secrets.token_hex(16)
        self._descriptor: int | None = None
        self._published: Path | None = None
        self.size_bytes = 0

    def open(self) -> None:
        """Creates the file, readable by nobody else."""
        self._path.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        self._descriptor = os.open(self._path, _NEW_FILE, PRIVATE_FILE)

    def write(self, piece: bytes, *, digest: Digest | None = None) -> None:
        """Appends `piece`, and shows it to `digest`."""
        if digest is not None:
            digest.update(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._open_descriptor, rest) :]
        self.size_bytes += len(piece)

    def publish(self, target: Path) -> None:
        """Makes the file durable and gives it its name. Raises FileExistsError when the name is taken."""
        os.fsync(self._open_descriptor)
        try:
            os.link(self._path, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.close(os.open(target, _NEW_FILE, PRIVATE_FILE))  # the name is reserved, then filled
            self._published = target
            self._path.replace(target)
        self._published = target
        self._leave_staging()
        sync_folder(target.parent)

    def replace(self, target: Path) -> None:
        """Makes the file durable and puts it in place of what may lie there."""
        os.fsync(self._open_descriptor)
        self._path.replace(target)
        self._leave_staging()
        sync_folder(target.parent)

    def discard(self) -> None:
        """Removes what there is of the file, in staging and under the name that `publish` gave it."""
        self._leave_staging()
        if self._published is not None:
            self._published.unlink(missing_ok=True)

    def _leave_staging(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._path.unlink(missing_ok=True)

    @property
    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise ValueError("This file isn't open.")
        return self._descriptor


class Folders:
    """The folders below `root`, made when they are needed and durable before anything is put into them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable: set[Path] = set()

    def make(self, folder: Path) -> None:
        """Makes `folder` with its parents up to the root.

        A folder that is there already may have been made a moment ago by somebody who hasn't synced it yet, so each
        is synced once by every process.
        """
        if folder == self._root or (folder in self._durable and folder.is_dir()):
            return
        self.make(folder.parent)
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        sync_folder(folder.parent)
        self._durable.add(folder)


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
