"""Upkeep of recordings that are files. Ages count by the file system's own clock, and a held file is never removed."""

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
from storage.upkeep import Found, IdentityUnreadable

T = TypeVar("T")
BATCH = 500
_STAGED = re.compile(r"[0-9a-f]{32}")
_NOT_OURS = {"lost+found"}  # made by the file system, and readable by root alone
_HELD = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC  # flock(2) over NFS wants a file that is open for writing


class Done(Protocol):
    """Runs blocking work in a thread, and lets come out as a StorageError what the operating system refuses."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """What the work returns."""
        ...


def file_system_time(probe: Path) -> float:
    """What the clock says that dates files there: on a network's file system it isn't this machine's."""
    probe.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    probe.touch(PRIVATE_FILE)
    return probe.stat().st_mtime


class LocalUpkeep:
    """See `Upkeep`. `find` is how the driver finds the file that a row's name means, and raises BytesMissing."""

    def __init__(
        self, root: Path, *, staging: Path, find: Callable[[str], Path], done: Done, clock: Callable[[Path], float]
    ) -> None:
        self._root = root
        self._folders = Folders(root)
        self._staging = staging
        self._find = find
        self._done = done
        self._clock = clock

    async def identity(self) -> UUID | None:
        """See `Upkeep.identity`."""
        return await self._done(self._identity)

    async def identify(self, identity: UUID) -> None:
        """See `Upkeep.identify`."""
        await self._done(lambda: self._write_own("id", f"{identity}\n"))

    async def walk(self) -> AsyncGenerator[Sequence[Found]]:
        """See `Upkeep.walk`."""
        files = self._files(await self._done(self._now))
        try:
            while batch := await self._done(lambda: list(islice(files, BATCH))):
                yield batch
        finally:
            files.close()

    async def locate(self, names: Sequence[str]) -> Sequence[str | None]:
        """See `Upkeep.locate`."""
        return await self._done(lambda: list(self._located(names)))

    async def put_aside(self, names: Sequence[str]) -> Sequence[str]:
        """See `Upkeep.put_aside`."""
        return await self._done(lambda: self._moved(names, start=self._root, to=self._root / QUARANTINE))

    async def put_back(self, names: Sequence[str]) -> Sequence[str]:
        """See `Upkeep.put_back`."""
        return await self._done(lambda: self._moved(names, start=self._root / QUARANTINE, to=self._root))

    async def expire_staged(self, *, older_than_seconds: float, dry_run: bool) -> int:
        """See `Upkeep.expire_staged`."""
        return await self._done(lambda: self._expire(older_than_seconds, dry_run=dry_run))

    async def swept_ago(self) -> float | None:
        """See `Upkeep.swept_ago`."""
        return await self._done(self._swept_ago)

    async def note_sweep(self) -> None:
        """See `Upkeep.note_sweep`."""
        await self._done(lambda: file_system_time(self._root / OWN / "swept"))

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
        self._folders.make(folder)
        staged = StagedFile(self._staging)
        try:
            staged.open()
            staged.write(content.encode())
            staged.replace(folder / name)
        except BaseException:
            staged.discard()
            raise

    def _files(self, now: float) -> Generator[Found]:
        """Links are not followed: what they lead to has a name of its own, or isn't here."""
        root = self._root.resolve()
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            with suppress(FileNotFoundError), os.scandir(root / folder) as entries:
                for entry in entries:
                    name = f"{folder}{entry.name}"
                    if entry.name.startswith(".") or name in _NOT_OURS:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{name}/")
                    elif entry.is_file(follow_symlinks=False):
                        with suppress(FileNotFoundError):
                            status = entry.stat(follow_symlinks=False)
                            yield Found(name, _age(status, now), status.st_size)

    def _located(self, names: Sequence[str]) -> Generator[str | None]:
        """Most names are as `walk` tells them, and are seen at one glance; the others are left to the driver."""
        root = os.path.realpath(self._root)
        plain: dict[str, bool] = {}
        for name in names:
            folder = f"{root}/{name}".rpartition("/")[0]
            if folder not in plain:
                plain[folder] = is_plain(name) and os.path.realpath(folder) == folder
            yield name if plain[folder] and _is_file(f"{root}/{name}") else self._found(name)

    def _found(self, name: str) -> str | None:
        try:
            return self._find(name).relative_to(self._root.resolve()).as_posix()
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
                    expired += old and _removed(Path(entry.path), dry_run=dry_run)
        return expired

    def _moved(self, names: Sequence[str], *, start: Path, to: Path) -> list[str]:
        return [name for name in names if is_plain(name) and self._move(start / name, to / name)]

    def _move(self, source: Path, target: Path) -> bool:
        """Whether it was moved, and durably so; never onto something else."""
        if target.exists() or not source.is_file():
            return False
        try:
            self._folders.make(target.parent)
            source.rename(target)
        except (FileNotFoundError, FolderElsewhere):
            return False
        sync_folder(target.parent)
        sync_folder(source.parent)
        return True

    def _swept_ago(self) -> float | None:
        try:
            return self._now() - (self._root / OWN / "swept").stat().st_mtime
        except FileNotFoundError:
            return None


def _is_file(path: str) -> bool:
    """Whether a file bears this very name, and is no link."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def _age(status: os.stat_result, now: float) -> float:
    """Since a file was last written, renamed or linked: ctime can't be set, so a file that was put back is young."""
    return now - max(status.st_mtime, status.st_ctime)


def _removed(path: Path, *, dry_run: bool) -> bool:
    """Whether nobody holds the file, which is then removed; where locks don't work, every file counts as held."""
    descriptor = os.open(path, _HELD)
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
