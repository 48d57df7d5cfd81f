"""Decides as whom PostgreSQL runs: as ourselves, except that it refuses root.

For root that is `nobody`, where `nobody` can reach the programs and the folder, and else root under another
number, in a user namespace of its own. A cluster that exists already runs as its owner.
"""

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import EmbeddedPostgresProblem

ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C",
    "TZ": "UTC",
}  # PGPORT and the like must not reach the server
_RENUMBERED = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


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
        """Whether this account, given the folder, can enter it and run the program: both are tried."""
        try:
            os.chown(folder, self.uid, self.gid)
            tried = self.run(["/bin/sh", "-c", 'cd "$0" && exec "$1" --version', str(folder), str(program)])
        except (OSError, subprocess.SubprocessError):
            return False
        return tried.returncode == 0


def account_for_new(folder: Path, *, program: Path) -> Account:
    """The account for a new cluster in the empty `folder`, which becomes its own.

    Raises:
        EmbeddedPostgresProblem: root can neither be `nobody` here nor have a user namespace.
    """
    me = Account(os.geteuid(), os.getegid())
    if me.uid != 0:
        return me
    nobody = pwd.getpwnam("nobody")
    for account in (Account(nobody.pw_uid, nobody.pw_gid), Account(0, 0, _RENUMBERED)):
        if account.reaches(folder, program):
            return account
    raise EmbeddedPostgresProblem(
        f"PostgreSQL doesn't run as root, and no other user can reach {folder.parent}:"
        " start Pegasus as an ordinary user, or set DATABASE_URL."
    )


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
    wrapper = _RENUMBERED if owner.st_uid == 0 else ()
    return Account(owner.st_uid, owner.st_gid, wrapper)
