"""Gives a cluster from one account to another, and takes over what an older Pegasus, started by root, gave to `nobody`.

Other processes of nobody could become the database's administrator there.
"""

import os
from pathlib import Path
from pwd import getpwuid

from core.postgres.account import Account, account_of, own_account

MARK = "PG_VERSION"  # without it PostgreSQL doesn't start: given last, it says that all of the rest was


def give(cluster: Path, account: Account) -> None:
    """Gives a cluster away; called again, it ends what was interrupted.

    First comes the folder itself, so that its former owner is locked out. Nothing that wasn't the former owner's is
    given, nor what a link leads to.
    """
    former = (cluster / MARK).lstat().st_uid
    if former == account.uid:
        return
    os.chown(cluster, account.uid, account.gid, follow_symlinks=False)
    for folder, folders, files, descriptor in os.fwalk(cluster):
        for name in (*folders, *files):
            if os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_uid == former and (
                name != MARK or Path(folder) != cluster
            ):
                os.chown(name, account.uid, account.gid, dir_fd=descriptor, follow_symlinks=False)
    os.chown(cluster / MARK, account.uid, account.gid, follow_symlinks=False)


def settled_account(cluster: Path, *, program: Path) -> Account:
    """The account that an existing cluster runs as from now on. Raises EmbeddedPostgresProblem.

    A cluster of nobody's in a folder that is nobody's, too, as in a container, stays as it is: nobody may start it.
    """
    account = account_of(cluster)
    if os.geteuid() == 0:
        if _is_nobodys(cluster) and not _is_nobodys(cluster.parent) and not _reaches_elsewhere(cluster):
            own = own_account(cluster.parent)
            account = own if own.reaches(cluster.parent, program) else account
        give(cluster, account)
    return account


def _is_nobodys(path: Path) -> bool:
    try:
        return getpwuid(path.stat().st_uid).pw_name == "nobody"
    except KeyError:
        return False


def _reaches_elsewhere(cluster: Path) -> bool:
    """Whether a part of the cluster lies in another place, which would have to be given as well."""
    return any(path.is_symlink() for path in (cluster / "pg_wal", *(cluster / "pg_tblspc").glob("*")))
