"""Changes a cluster's owner, also for clusters that an older Pegasus, started by root, gave to `nobody`.

Other processes of nobody could become the database's administrator there.
"""

import os
from pathlib import Path
from pwd import getpwuid

from core.postgres.account import Account, account_of, own_account

MARK = "PG_VERSION"  # without it PostgreSQL doesn't start: changed last, its owner shows that all else is changed


def change_owner(cluster: Path, account: Account) -> None:
    """Changes a cluster's owner; called again, it completes an interrupted change.

    The folder itself comes first, so that its former owner is locked out. Only the former owner's files are changed,
    and links are not followed.
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

    If both the cluster and its folder belong to the user nobody, as in a container, that user stays the owner, as it
    may start Pegasus there itself.
    """
    account = account_of(cluster)
    if os.geteuid() == 0:
        if _is_nobodys(cluster) and not _is_nobodys(cluster.parent) and not _reaches_elsewhere(cluster):
            own = own_account(cluster.parent)
            account = own if own.reaches(cluster.parent, program) else account
        change_owner(cluster, account)
    return account


def _is_nobodys(path: Path) -> bool:
    try:
        return getpwuid(path.stat().st_uid).pw_name == "nobody"
    except KeyError:
        return False


def _reaches_elsewhere(cluster: Path) -> bool:
    """Whether a part of the cluster lies elsewhere, whose owner would have to change as well."""
    return any(path.is_symlink() for path in (cluster / "pg_wal", *(cluster / "pg_tblspc").glob("*")))
