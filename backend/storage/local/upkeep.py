"""Upkeep of the local driver. Ages count by the file system's own clock, and a locked file is never removed."""

import fcntl
import os
import re
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import UUID

from storage.contract import BytesMissing
from storage.local.staged_file import PRIVATE_FILE, PRIVATE_FOLDER, FolderElsewhere, Folders, StagedFile, sync_folder
from storage.object_names import OWN, QUARANTINE, is_plain
from storage.upkeep import IdentityUnreadable, StoredObject

T = TypeVar("T")
BATCH = 500
_STAGED = re.compile(r"[0-9a-f]{32}")
_EXCLUDED = {"lost+found"}  # made by the file system, readable by root alone
_OPEN_TO_LOCK = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC  # flock(2) over NFS needs a file that is open for writing


class RunBlocking(Protocol):
    """Runs blocking work in a thread, and raises its OSError as a StorageError."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


def file_system_time(probe: Path) -> float:
    """The time by which files are dated there, in seconds: on a network file system it isn't this machine's clock."""
    probe.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    probe.touch(PRIVATE_FILE)
    return probe.stat().st_mtime


class LocalUpkeep:
    """See `Upkeep`. `resolve` maps a row's name to its path, or raises BytesMissing."""

    def __init__(
        self,
        root: Path,
        *,
        staging: Path,
        resolve: Callable[[str], Path],
        run_blocking: RunBlocking,
        clock: Callable[[Path], float],
    ) -> None:
        self._root = root
        self._folders = Folders(str(root))
        self._staging = staging
        self._resolve = resolve
        self._run_blocking = run_blocking
        self._clock = clock

    async def identity(self) -> UUID | None:
        """See `Upkeep.identity`."""
        return await self._run_blocking(self._identity)

    async def identify(self, identity: UUID) -> None:
        """See `Upkeep.identify`."""
        await self._run_blocking(lambda: self._write_own("id", f"{identity}\n"))

    async def walk(self) -> AsyncGenerator[Sequence[StoredObject]]:
        """See `Upkeep.walk`."""
        files = self._files(await self._run_blocking(self._now))
        try:
            while batch := await self._run_blocking(lambda: list(islice(files, BATCH))):
                yield batch
        finally:
            files.close()

    async def locate(self, names: Sequence[str]) -> Sequence[str | None]:
        """See `Upkeep.locate`."""
        return await self._run_blocking(lambda: list(self._located(names)))

    async def quarantine(self, names: Sequence[str]) -> Sequence[str]:
        """See `Upkeep.quarantine`."""
        return await self._run_blocking(lambda: self._move_all(names, start=self._root, to=self._root / QUARANTINE))

    async def restore(self, names: Sequence[str]) -> Sequence[str]:
        """See `Upkeep.restore`."""
        return await self._run_blocking(lambda: self._move_all(names, start=self._root / QUARANTINE, to=self._root))

    async def expire_staged(self, *, older_than_seconds: float, dry_run: bool) -> int:
        """See `Upkeep.expire_staged`."""
        return await self._run_blocking(lambda: self._expire(older_than_seconds, dry_run=dry_run))

    async def sweep_age_seconds(self) -> float | None:
        """See `Upkeep.sweep_age_seconds`."""
        return await self._run_blocking(self._sweep_age)

    async def record_sweep(self) -> None:
        """See `Upkeep.record_sweep`."""
        await self._run_blocking(lambda: file_system_time(self._root / OWN / "swept"))

    def _now(self) -> float:
        return self._clock(self._root / OWN / "clock")

    def _identity(self) -> UUID | None:
        try:
            return UUID((self._root / OWN / "id").read_text(encoding="ascii").strip())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise IdentityUnreadable from error

    def _write_own(self, name: str, content: str) -> None:
        folder = self._root / OWN
        self._folders.make(str(folder))
        staged = StagedFile(str(self._staging))
        try:
            staged.open()
            staged.write(content.encode())
            staged.replace(f"{folder}/{name}")
        except BaseException:
            staged.discard()
            raise

    def _files(self, now: float) -> Generator[StoredObject]:
        """Links are not followed: their target has a name of its own, or lies outside."""
        root = self._root.resolve()
        folders = [""]
        while folders:
            folder = folders.pop()
            with suppress(FileNotFoundError), os.scandir(root / folder) as entries:
                for entry in entries:
                    name = f"{folder}{entry.name}"
                    if entry.name.startswith(".") or name in _EXCLUDED:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{name}/")
                    elif entry.is_file(follow_symlinks=False):
                        with suppress(FileNotFoundError):
                            status = entry.stat(follow_symlinks=False)
                            yield StoredObject(name, _age(status, now), status.st_size)

    def _located(self, names: Sequence[str]) -> Generator[str | None]:
        """Most names are as `walk` yields them, and need one lstat; the others are resolved by the driver."""
        root = os.path.realpath(self._root)
        plain: dict[str, bool] = {}
        for name in names:
            folder = f"{root}/{name}".rpartition("/")[0]
            if folder not in plain:
                plain[folder] = is_plain(name) and os.path.realpath(folder) == folder
            yield name if plain[folder] and _is_file(f"{root}/{name}") else self._canonical(name)

    def _canonical(self, name: str) -> str | None:
        try:
            return self._resolve(name).relative_to(self._root.resolve()).as_posix()
        except BytesMissing:
            return None

    def _expire(self, older_than_seconds: float, *, dry_run: bool) -> int:
        now = self._now()
        expired = 0
        with suppress(FileNotFoundError), os.scandir(self._staging) as entries:
            for entry in entries:
                if not _STAGED.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                    continue
                with suppress(FileNotFoundError):
                    old = _age(entry.stat(follow_symlinks=False), now) > older_than_seconds
                    expired += old and _remove_unlocked(Path(entry.path), dry_run=dry_run)
        return expired

    def _move_all(self, names: Sequence[str], *, start: Path, to: Path) -> list[str]:
        return [name for name in names if is_plain(name) and self._move(start / name, to / name)]

    def _move(self, source: Path, target: Path) -> bool:
        """Whether it was moved, durably; never over an existing file."""
        if target.exists() or not source.is_file():
            return False
        try:
            self._folders.make(str(target.parent))
            source.rename(target)
        except (FileNotFoundError, FolderElsewhere):
            return False
        sync_folder(str(target.parent))
        sync_folder(str(source.parent))
        return True

    def _sweep_age(self) -> float | None:
        try:
            return self._now() - (self._root / OWN / "swept").stat().st_mtime
        except FileNotFoundError:
            return None


def _is_file(path: str) -> bool:
    """Whether the path is a regular file and no link."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def _age(status: os.stat_result, now: float) -> float:
    """Seconds since a file was written, renamed or linked: ctime can't be set, so a restored file is young."""
    return now - max(status.st_mtime, status.st_ctime)


def _remove_unlocked(path: Path, *, dry_run: bool) -> bool:
    """Removes the file if nobody has locked it, and says so; where locks don't work, every file counts as locked."""
    descriptor = os.open(path, _OPEN_TO_LOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not dry_run:
            path.unlink()
    except FileNotFoundError:
        raise
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
