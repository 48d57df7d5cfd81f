"""Decides as whom PostgreSQL runs: as ourselves, except that it refuses root.

For root that is a number that nobody else has, so that no other process can connect, trace it or touch its files.
Where that number can't reach the programs and the folder, it is root under another number, in a user namespace of its
own, or where there are none the folder's owner. A cluster that exists already runs as its owner.
"""

import os
import subprocess
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from grp import getgrgid
from pathlib import Path
from pwd import getpwnam, getpwuid
from typing import Any

from core.errors import EmbeddedPostgresProblem

ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C",
    "TZ": "UTC",
}  # PGPORT and the like must not reach the server
# Between the numbers that systemd keeps for containers and for services: nothing hands these out.
UNUSED_NUMBERS = range(60706, 61184)


@dataclass(frozen=True)
class Account:
    """Who runs PostgreSQL's programs, and owns its files: `wrapper` goes before each command."""

    uid: int
    gid: int
    wrapper: tuple[str, ...] = ()

    def options(self) -> Mapping[str, Any]:
        """What makes `subprocess` change to this account."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def run(self, command: Sequence[str], *, text: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, away from the terminal's Ctrl-C, with `text` as its input."""
        return subprocess.run(
            [*self.wrapper, *command],
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            umask=0o077,
            check=False,
            **self.options(),
        )

    def reaches(self, folder: Path, program: Path) -> bool:
        """Whether this account can enter the folder and run the program: both are tried."""
        try:
            tried = self.run(["/bin/sh", "-c", 'cd "$0" && exec "$1" --version', str(folder), str(program)])
        except (OSError, subprocess.SubprocessError):
            return False
        return tried.returncode == 0

    def named(self) -> "Account":
        """This account for `initdb`, which insists on a user with a name: `nobody`, in this account's own group.

        The kernel lets no other process of nobody trace one that has another group, and what lies in a folder that
        only this group may enter is out of their reach, too.
        """
        return replace(self, uid=_nobody()) if self.options() and self.uid in UNUSED_NUMBERS else self


def account_for_new(folder: Path, *, program: Path) -> Account:
    """The account for a new cluster in the empty `folder`, which that account may then enter.

    Raises:
        EmbeddedPostgresProblem: root can neither have a number for it here nor a user namespace.
    """
    me = Account(os.geteuid(), os.getegid())
    if me.uid != 0:
        return me
    owner = folder.parent.stat()
    candidates = (
        own_account(folder.parent),
        Account(0, 0, _renumbered()),
        Account(owner.st_uid, owner.st_gid),  # in a container that allows no namespace, on a volume of its usual user
    )
    for account in candidates:
        may_run = account.uid != 0 or account.wrapper
        if may_run and _lets_in(folder, account) and account.reaches(folder, program):
            return account
    raise EmbeddedPostgresProblem(
        f"PostgreSQL doesn't run as root, and no other user can reach {folder.parent}:"
        " start Pegasus as an ordinary user, or set DATABASE_URL."
    )


def own_account(folder: Path) -> Account:
    """An account for the cluster in a folder, by a number that no user, group or process has.

    Raises EmbeddedPostgresProblem.
    """
    first = zlib.crc32(os.fsencode(folder)) % len(UNUSED_NUMBERS)
    taken = set(_running_numbers())
    for number in (*UNUSED_NUMBERS[first:], *UNUSED_NUMBERS[:first]):
        if number not in taken and not _is_named(number):
            return Account(number, number)
    raise EmbeddedPostgresProblem("No number for a user is free that PostgreSQL could run as.")


def account_of(cluster: Path) -> Account:
    """The account that owns an existing cluster.

    Raises:
        EmbeddedPostgresProblem: it is another user's.
    """
    owner = cluster.stat()
    if os.geteuid() not in (0, owner.st_uid):
        raise EmbeddedPostgresProblem(
            f"The database in {cluster} belongs to another user, with the number {owner.st_uid}."
        )
    return Account(owner.st_uid, owner.st_gid, _renumbered() if owner.st_uid == 0 else ())


def _lets_in(folder: Path, account: Account) -> bool:
    """Lets an account's group, and nobody else but root, through the folder; False where no such group can be."""
    try:
        os.chown(folder, 0, account.gid)
        folder.chmod(0o710)
    except OSError:
        return False
    return True


def _renumbered() -> tuple[str, ...]:
    """Runs a program in a user namespace, as somebody whose name `initdb` can find."""
    return ("unshare", "--user", f"--map-user={_nobody()}", f"--map-group={_nobody()}", "--")


def _nobody() -> int:
    try:
        return getpwnam("nobody").pw_uid
    except KeyError:
        return 65534  # then initdb says that it has no name


def _running_numbers() -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield process.stat().st_uid


def _is_named(number: int) -> bool:
    for look_up in (getpwuid, getgrgid):
        try:
            look_up(number)
        except KeyError:
            continue
        return True
    return False
