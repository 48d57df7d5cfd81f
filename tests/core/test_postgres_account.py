"""The embedded PostgreSQL where root starts Pegasus: no other process of the machine gets near it."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.errors import EmbeddedPostgresProblem
from core.postgres.account import UNUSED_NUMBERS, Account, own_account
from core.postgres.binaries import find_binaries
from core.postgres.cluster import make_cluster
from core.postgres.embedded import join
from tests.core import attacks

from .conftest import BACKEND, USE, User, eventually

Use = Callable[..., User]
ROOT, NOBODY = pwd.getpwuid(0), pwd.getpwnam("nobody")
OF_ROOT = {attack.__name__ for attack in attacks.ATTACKS} - {"connect"}  # nobody has a right without the password


def succeed(who: pwd.struct_passwd, folder: Path) -> set[str]:
    """The attacks on a data folder in which somebody succeeds."""
    command = [sys.executable, attacks.__file__, str(who.pw_uid), str(who.pw_gid), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


async def ask(address: str, statement: str) -> Any:
    connection = await asyncpg.connect(address)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def owners(folder: Path) -> set[int]:
    """Whose the files of a cluster are."""
    cluster = folder / "postgres"
    return {path.lstat().st_uid for path in (cluster, *cluster.rglob("*"))}


async def test_nobody_gets_near_the_database(folder: Path, use: Use) -> None:
    """As `nobody`, whom many processes share, one can't connect, read or write a file, look into the server or stop it.

    What root can do says that each attempt would have worked.
    """
    user = use()
    assert await ask(user.address, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    assert succeed(NOBODY, folder) == set()
    assert succeed(ROOT, folder) == OF_ROOT


async def test_the_account_is_nobody_elses(folder: Path, use: Use) -> None:
    """The server runs under a number that no user and no group has, and the files are that number's."""
    assert use().address
    (owner,) = owners(folder)
    assert owner in UNUSED_NUMBERS
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in attacks.servers(folder)} == {owner}
    assert (folder / "postgres" / "pegasus.pgpass").stat().st_mode & 0o777 == 0o600
    assert own_account(folder) != Account(owner, owner)  # a process has it now
    with pytest.raises(KeyError):
        pwd.getpwuid(owner)


STOPPED = """#!/bin/sh
for cluster; do :; done
cd "$cluster" && touch PG_VERSION pegasus.pgpass
exec tail -f "$cluster/PG_VERSION"
"""


@pytest.fixture
def slow_binaries(folder: Path) -> Path:
    """The programs of a PostgreSQL whose `initdb` has begun, and doesn't end."""
    binaries = folder.parent / "bin"
    binaries.mkdir()
    (binaries / "postgres").symlink_to(find_binaries()[0] / "postgres")
    (binaries / "initdb").write_text(STOPPED)
    (binaries / "initdb").chmod(0o755)
    return binaries


def test_nobody_gets_near_a_database_in_the_making(folder: Path, slow_binaries: Path) -> None:
    """`initdb` needs a user with a name, and has nobody's: other processes of nobody reach neither it nor its files."""
    folder.mkdir()
    with ThreadPoolExecutor() as thread:
        making = thread.submit(make_cluster, folder / "postgres", binaries=slow_binaries, major=18)
        eventually(lambda: any(map(is_nobodys, attacks.servers(folder))))
        eventually(lambda: list(folder.glob("*/*/pegasus.pgpass")) != [])
        try:
            elsewhere = {"read_shared_memory"}  # that of others who are nobody
            assert succeed(NOBODY, folder) - elsewhere <= {"disturb"}
            assert succeed(ROOT, folder) >= OF_ROOT - elsewhere
        finally:
            for pid in attacks.servers(folder):
                os.kill(pid, signal.SIGKILL)
        assert isinstance(making.exception(), EmbeddedPostgresProblem)
    assert list(folder.iterdir()) == []


def is_nobodys(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}").stat().st_uid == NOBODY.pw_uid
    except FileNotFoundError:
        return False


async def made_by_an_older_version(folder: Path, use: Use, *, owner: int) -> None:
    """Lets a data folder be as Pegasus once made it: a server that trusts who reaches it, and one row."""
    user = use()
    await ask(address := user.address, "CREATE TABLE kept AS SELECT 1 AS number")
    await ask(address, "ALTER ROLE pegasus PASSWORD NULL")
    user.finish()
    cluster = folder / "postgres"
    (cluster / "pegasus.pgpass").unlink()
    (cluster / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 reject\n")
    for path in (cluster, *cluster.rglob("*")):
        os.chown(path, owner, owner, follow_symlinks=False)


async def test_what_was_nobodys_is_taken_over(folder: Path, use: Use) -> None:
    """A database that an older version gave to nobody keeps its rows, gets a password and an account of its own."""
    await made_by_an_older_version(folder, use, owner=NOBODY.pw_uid)
    user = use()
    assert await ask(user.address, "SELECT number FROM kept") == 1
    assert NOBODY.pw_uid not in owners(folder)
    assert succeed(NOBODY, folder) == set()
    assert "trust" not in (folder / "postgres" / "pg_hba.conf").read_text()


async def test_an_interrupted_takeover_is_ended(folder: Path, use: Use) -> None:
    """A start that was killed while it gave the files their new owner is made up for by the next one."""
    await made_by_an_older_version(folder, use, owner=NOBODY.pw_uid)
    cluster, own = folder / "postgres", own_account(folder)
    for path in (cluster, cluster / "base", cluster / "postgresql.conf"):
        os.chown(path, own.uid, own.gid)
    assert await ask(use().address, "SELECT number FROM kept") == 1
    assert owners(folder) == {own.uid}


async def test_links_lead_nowhere(folder: Path, use: Use) -> None:
    """What nobody linked or put into the folder before isn't given away with it."""
    await made_by_an_older_version(folder, use, owner=NOBODY.pw_uid)
    foreign = folder.parent / "foreign"
    foreign.write_text("root's")
    (folder / "postgres" / "link").symlink_to(foreign)
    os.link(foreign, folder / "postgres" / "hard")
    (folder / "postgres" / "pg_hba.conf").unlink()
    (folder / "postgres" / "pg_hba.conf").symlink_to(foreign)
    assert await ask(use().address, "SELECT number FROM kept") == 1
    assert (foreign.stat().st_uid, foreign.read_text()) == (0, "root's")


async def test_what_lies_in_nobodys_own_folder_stays_nobodys(folder: Path, use: Use) -> None:
    """Where the whole data folder is nobody's, as in a container, nobody has to be able to start it again."""
    await made_by_an_older_version(folder, use, owner=NOBODY.pw_uid)
    os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    assert await ask(use().address, "SELECT number FROM kept") == 1
    assert owners(folder) == {NOBODY.pw_uid}


async def test_a_folder_that_only_its_owner_reaches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where user namespaces aren't allowed, a database in a private folder is made by the folder's owner."""
    monkeypatch.setattr("core.postgres.account._user_namespace", lambda: ("/bin/false",))
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    server = join(folder)
    assert await ask(server.address, "SELECT 1") == 1
    assert owners(folder) == {NOBODY.pw_uid}
    server.leave()


def test_a_folder_that_only_root_reaches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody but root can reach the folder, and there are no user namespaces either, that is said."""
    monkeypatch.setattr("core.postgres.account._user_namespace", lambda: ("/bin/false",))
    folder.mkdir(mode=0o700)
    with pytest.raises(EmbeddedPostgresProblem, match=f"no other user can reach {folder}"):
        join(folder)
    assert not (folder / "postgres").exists()


async def test_what_reaches_elsewhere_stays_as_it_is(folder: Path, use: Use) -> None:
    """A database with a part in another place keeps its owner, and its rows."""
    await made_by_an_older_version(folder, use, owner=NOBODY.pw_uid)
    (folder / "postgres" / "pg_wal").rename(folder.parent / "wal")
    (folder / "postgres" / "pg_wal").symlink_to(folder.parent / "wal")
    assert await ask(use().address, "SELECT number FROM kept") == 1
    assert NOBODY.pw_uid in owners(folder)


async def test_an_ordinary_user_has_a_database(folder: Path) -> None:
    """Started by an ordinary user the server runs as that user, and nobody else gets near it either."""
    ordinary = pwd.getpwnam("daemon")
    folder.mkdir()
    os.chown(folder, ordinary.pw_uid, ordinary.pw_gid)
    account = Account(ordinary.pw_uid, ordinary.pw_gid)
    user = subprocess.Popen(
        [python_for(account), "-c", USE, str(folder)],
        cwd=BACKEND,
        env={"PYTHONPATH": sysconfig.get_path("purelib"), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **account.options(),
    )
    assert user.stdout is not None
    address = user.stdout.readline().decode().strip()
    assert await ask(address, "SELECT current_user") == "pegasus"
    assert owners(folder) == {ordinary.pw_uid}
    assert succeed(NOBODY, folder) == set()
    assert succeed(ordinary, folder) == OF_ROOT
    user.communicate()
    eventually(lambda: list(attacks.servers(folder)) == [])


def python_for(account: Account) -> str:
    """A Python that an account can run: this one may lie in root's home."""
    found = (path for path in (sys.executable, shutil.which("python3", path=os.defpath)) if path)
    return next(path for path in found if account.reaches(Path("/"), Path(path)))
