"""Chooses the account that PostgreSQL runs as: this process's own, except for root, which PostgreSQL refuses.

For root it is a uid that nobody else has, so that no other process can connect, trace it or touch its files. Where that
uid can't reach the programs and the folder, it is root under another uid in a user namespace of its own or, where there
are none, the folder's owner. An existing cluster runs as its owner.
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
# Between the uids that systemd reserves for containers and for services: nothing assigns these.
UNUSED_NUMBERS = range(60706, 61184)


@dataclass(frozen=True)
class Account:
    """The account that runs PostgreSQL's programs and owns its files; `wrapper` goes before each command."""

    uid: int
    gid: int
    wrapper: tuple[str, ...] = ()

    def options(self) -> Mapping[str, Any]:
        """The options that make `subprocess` change to this account."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def run(self, command: Sequence[str], *, text: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, out of Ctrl-C's reach, with `text` as its input."""
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
            completed = self.run(["/bin/sh", "-c", 'cd "$0" && exec "$1" --version', str(folder), str(program)])
        except (OSError, subprocess.SubprocessError):
            return False
        return completed.returncode == 0

    def for_initdb(self) -> "Account":
        """This account for `initdb`, which needs a user with a name: `nobody`, in this account's own group.

        The kernel lets no other process of nobody trace one with another group, and files in a folder that only this
        group may enter are out of their reach, too.
        """
        return replace(self, uid=_nobody()) if self.options() and self.uid in UNUSED_NUMBERS else self


def account_for_new(folder: Path, *, program: Path) -> Account:
    """The account for a new cluster in the empty `folder`, which that account may then enter.

    Raises:
        EmbeddedPostgresProblem: for root there is neither a free uid nor a user namespace.
    """
    current = Account(os.geteuid(), os.getegid())
    if current.uid != 0:
        return current
    owner = folder.parent.stat()
    candidates = (
        own_account(folder.parent),
        Account(0, 0, _user_namespace()),
        Account(owner.st_uid, owner.st_gid),  # in a container that allows no namespace, on a volume of its usual user
    )
    for account in candidates:
        may_run = account.uid != 0 or account.wrapper
        if may_run and _grant_access(folder, account) and account.reaches(folder, program):
            return account
    raise EmbeddedPostgresProblem(
        f"PostgreSQL doesn't run as root, and no other user can reach {folder.parent}:"
        " start Pegasus as an ordinary user, or set DATABASE_URL."
    )


def own_account(folder: Path) -> Account:
    """An account for the cluster in a folder, with a uid that no user, group or process has.

    Raises EmbeddedPostgresProblem.
    """
    first = zlib.crc32(os.fsencode(folder)) % len(UNUSED_NUMBERS)
    in_use = set(_uids_of_processes())
    for number in (*UNUSED_NUMBERS[first:], *UNUSED_NUMBERS[:first]):
        if number not in in_use and not _is_named(number):
            return Account(number, number)
    raise EmbeddedPostgresProblem("No number for a user is free that PostgreSQL could run as.")


def account_of(cluster: Path) -> Account:
    """The account that owns an existing cluster.

    Raises:
        EmbeddedPostgresProblem: it belongs to another user.
    """
    owner = cluster.stat()
    if os.geteuid() not in (0, owner.st_uid):
        raise EmbeddedPostgresProblem(
            f"The database in {cluster} belongs to another user, with the number {owner.st_uid}:"
            " start Pegasus as that user, or name another folder in DATA_PATH."
        )
    return Account(owner.st_uid, owner.st_gid, _user_namespace() if owner.st_uid == 0 else ())


def _grant_access(folder: Path, account: Account) -> bool:
    """Lets the account's group, and nobody else but root, enter the folder; False where chown isn't possible."""
    try:
        os.chown(folder, 0, account.gid)
        folder.chmod(0o710)
    except OSError:
        return False
    return True


def _user_namespace() -> tuple[str, ...]:
    """The command that runs a program in a user namespace, as `nobody`, whose name `initdb` can look up."""
    return ("unshare", "--user", f"--map-user={_nobody()}", f"--map-group={_nobody()}", "--")


def _nobody() -> int:
    try:
        return getpwnam("nobody").pw_uid
    except KeyError:
        return 65534  # then initdb says that it has no name


def _uids_of_processes() -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield process.stat().st_uid


def _is_named(number: int) -> bool:
    for lookup in (getpwuid, getgrgid):
        try:
            lookup(number)
        except KeyError:
            continue
        return True
    return False
