"""The PostgreSQL that Pegasus brings along: it is there when somebody uses it, and gone when nobody does."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from core.errors import EmbeddedPostgresProblem
from core.postgres.account import ENVIRONMENT, account_of
from core.postgres.binaries import find_binaries
from core.postgres.cluster import ready_socket_folder, serving_command
from core.postgres.embedded import join

from .conftest import BACKEND, ONE_LINER, User, eventually, kill, running_in

Use = Callable[..., User]


async def ask(address: str, statement: str) -> Any:
    connection = await asyncpg.connect(address)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def connection_check(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ONE_LINER],
        cwd=BACKEND,
        env={**os.environ, "DATA_PATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_first_start(folder: Path, use: Use) -> None:
    """The first start makes a durable UTF-8 database, with no port open."""
    address = use().address
    assert await ask(address, "SELECT current_database()") == "pegasus"
    assert await ask(address, "SHOW server_encoding") == "UTF8"
    assert await ask(address, "SHOW fsync") == "on"
    assert await ask(address, "SHOW listen_addresses") == ""
    assert (folder / "postgres").stat().st_mode & 0o077 == 0


def without_password(address: str) -> str:
    return address.partition("&passfile=")[0] + "&passfile=/no/such/file"


def password_in(folder: Path) -> str:
    return (folder / "postgres" / "pegasus.pgpass").read_text().strip().rpartition(":")[2]


async def test_who_has_no_password_stays_outside(folder: Path, use: Use) -> None:
    """The server asks for a password, which is in one file that only its owner reads, and in no address and no log."""
    address = use().address
    assert await ask(address, "SELECT current_user") == "pegasus"
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await ask(without_password(address), "SELECT 1")
    assert len(password_in(folder)) == 43
    assert password_in(folder) not in address + (folder / "postgres.log").read_text()
    assert (folder / "postgres" / "pegasus.pgpass").stat().st_mode & 0o777 == 0o600
    assert (await ask(address, "SELECT rolpassword FROM pg_authid WHERE rolname = 'pegasus'")).startswith("SCRAM-")


@pytest.mark.parametrize("lost", ["the password", "the rules", "both"])
async def test_a_database_that_trusted_everybody(folder: Path, use: Use, lost: str) -> None:
    """Where the password is lost, or rules let everybody in, as older versions made them, the next start mends that."""
    user = use()
    await ask(user.address, "CREATE TABLE kept AS SELECT 1 AS number")
    user.finish()
    if lost != "the rules":
        (folder / "postgres" / "pegasus.pgpass").unlink()
    if lost != "the password":
        (folder / "postgres" / "pg_hba.conf").write_text("local all all trust\n")
    address = use().address
    assert await ask(address, "SELECT number FROM kept") == 1
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await ask(without_password(address), "SELECT 1")


async def test_a_database_that_is_moved_brings_its_password(folder: Path, use: Use) -> None:
    """The password lies with the data: where that is moved, or given back from a copy, it still opens it."""
    use().finish()
    elsewhere = folder.with_name("elsewhere")
    elsewhere.mkdir()
    (folder / "postgres").rename(elsewhere / "postgres")
    assert await ask(use(elsewhere).address, "SELECT 1") == 1


async def test_second_process(folder: Path, use: Use) -> None:
    """A second process reaches the same server, which stays while one of them does."""
    first, second = use(), use()
    await ask(first.address, "CREATE TABLE kept AS SELECT 1 AS number")
    address = second.address
    first.finish()
    assert await ask(address, "SELECT number FROM kept") == 1
    second.finish()
    assert running_in(folder) == {}


async def test_data_outlives_the_server(folder: Path, use: Use) -> None:
    """What was committed is there at the next start."""
    user = use()
    await ask(user.address, "CREATE TABLE kept AS SELECT 1 AS number")
    user.finish()
    assert await ask(use().address, "SELECT number FROM kept") == 1


def test_connection_check_alone(folder: Path) -> None:
    """The documented connection check works when nothing else runs, and leaves nothing running."""
    checked = connection_check(folder)
    assert (checked.stdout, checked.returncode) == ("✅ Database connection works!\n", 0)
    assert running_in(folder) == {}


def test_connection_check_beside_a_server(folder: Path, use: Use) -> None:
    """The documented connection check reaches a server that is in use, and leaves it running."""
    assert use().address
    while sorted((before := running_in(folder)).values()) != ["guard", "server"]:
        time.sleep(0.02)  # a new process of the server first has its name
    assert connection_check(folder).stdout == "✅ Database connection works!\n"
    eventually(lambda: running_in(folder) == before)  # a new process of the server first has its name


def test_foreign_environment(folder: Path) -> None:
    """Variables meant for other PostgreSQL servers don't lead the embedded one astray."""
    foreign = {"PGHOST": "192.0.2.1", "PGPORT": "1", "PGDATABASE": "other", "PGSSLMODE": "require"}
    assert connection_check(folder, **foreign).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_however_its_user_ends(folder: Path, use: Use, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and kill -9 of the last user leave no process, and the data whole."""
    user = use()
    await ask(user.address, "CREATE TABLE kept AS SELECT 1 AS number")
    os.killpg(user.process.pid, number)
    user.finish()
    eventually(lambda: running_in(folder) == {})
    assert await ask(use().address, "SELECT number FROM kept") == 1


async def test_killed_guard(folder: Path, use: Use) -> None:
    """When the guard is killed the server stops too, and the next user starts it anew."""
    user = use()
    assert user.address
    kill(folder, "guard")
    if sys.platform == "linux":
        eventually(lambda: running_in(folder) == {})
    assert await ask(use().address, "SELECT 1") == 1


async def test_killed_server(folder: Path, use: Use) -> None:
    """A server that is killed while in use comes back by itself, with what was committed."""
    user = use()
    address = user.address
    await ask(address, "CREATE TABLE kept AS SELECT 1 AS number")
    before = set(running_in(folder))
    kill(folder, "server")
    eventually(lambda: len(set(running_in(folder)) - before) > 0)
    assert await ask(use().address, "SELECT number FROM kept") == 1
    assert user.process.poll() is None


async def test_stale_pid_file(folder: Path, use: Use) -> None:
    """A pid file whose number is some other living process's by now doesn't prevent the start."""
    user = use()
    assert user.address
    left = (folder / "postgres" / "postmaster.pid").read_text().splitlines()
    user.finish()
    stale = "\n".join([str(os.getpid()), *left[1:]]) + "\n"
    (folder / "postgres" / "postmaster.pid").write_text(stale)
    Path(left[4], ".s.PGSQL.5432.lock").write_text(stale)
    assert await ask(use().address, "SELECT 1") == 1


def copied(folder: Path) -> Path:
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".s.PGSQL.5432"))
    owner = (folder / "postgres").stat()
    for path in [copy / "postgres", *(copy / "postgres").rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    return copy


async def test_copied_folder(folder: Path, use: Use) -> None:
    """A copy of the data folder gets a server of its own, though its pid file names the original's."""
    original = use().address
    copy = copied(folder)
    user = use(copy)
    assert await ask(user.address, "SHOW data_directory") == str(copy / "postgres")
    assert await ask(original, "SHOW data_directory") == str(folder / "postgres")
    user.finish()


def test_server_of_somebody_else(folder: Path, use: Use) -> None:
    """A PostgreSQL that a person started on the data by hand is left alone, and named."""
    user = use()
    assert user.address
    user.finish()
    cluster = folder / "postgres"
    account = account_of(cluster)
    command = serving_command(cluster, binaries=find_binaries()[0], account=account)
    by_hand = subprocess.Popen(command, cwd="/", env=ENVIRONMENT, stderr=subprocess.DEVNULL, **account.options())
    eventually(lambda: ready_socket_folder(cluster) is not None)
    said = use().finish()
    by_hand.send_signal(signal.SIGINT)
    by_hand.wait()
    assert said == (
        "core.errors.EmbeddedPostgresProblem: "
        f"Another PostgreSQL, process {by_hand.pid}, already serves {cluster}: stop it first."
    )


def half_made(folder: Path) -> list[Path]:
    return list(folder.glob("postgres.new.*/postgres/base"))


async def test_killed_first_start(folder: Path, use: Use) -> None:
    """A first start that is killed half way leaves nothing that disturbs the next one."""
    user = use()
    eventually(lambda: half_made(folder) != [])
    user.process.kill()
    user.finish()
    assert not (folder / "postgres").exists()
    assert await ask(use().address, "SELECT current_database()") == "pegasus"
    assert half_made(folder) == []


async def test_eight_at_once(folder: Path, use: Use) -> None:
    """Eight processes that start at once on an empty folder share one server."""
    users = [use() for _ in range(8)]
    addresses = {user.address for user in users}
    assert len(addresses) == 1
    assert await ask(addresses.pop(), "SELECT 1") == 1
    eventually(lambda: sorted(running_in(folder).values()) == ["guard", "server"])
    for user in users:
        os.killpg(user.process.pid, signal.SIGINT)
    for user in users:
        user.finish()
    eventually(lambda: running_in(folder) == {})


async def test_start_while_the_last_one_leaves(folder: Path, use: Use) -> None:
    """A user that comes while the last one leaves gets a server that works."""
    leaving = use()
    assert leaving.address
    for _ in range(5):
        coming = use()
        leaving.finish()
        assert await ask(coming.address, "SELECT 1") == 1
        leaving = coming


@pytest.mark.parametrize("name", ["d" * 150, "a b,c%20é", "'\"$(x)"])
async def test_awkward_paths(folder: Path, use: Use, name: str) -> None:
    """A data folder may have a name that is too long for a socket, or strange; nothing is left elsewhere."""
    first, second = use(folder / name), use(folder / name)
    socket_folder = parse_qs(urlsplit(first.address).query)["host"][0]
    assert await ask(second.address, "SHOW unix_socket_directories") == f'"{socket_folder}"'
    assert not socket_folder.startswith(str(folder))
    first.finish()
    second.finish()
    eventually(lambda: not Path(socket_folder).exists())


@pytest.fixture
def private_folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder that only its owner can reach."""
    tmp_path.chmod(0o700)
    yield tmp_path / "data"
    assert tmp_path.stat().st_mode & 0o777 == 0o700


async def test_private_parent(private_folder: Path, use: Use) -> None:
    """A data folder may lie where only its owner, root as well, can reach it, and stays as private."""
    user = use(private_folder)
    assert await ask(user.address, "SELECT 1") == 1
    user.finish()
    assert running_in(private_folder) == {}


async def test_same_object(folder: Path) -> None:
    """A process that joins twice has joined once."""
    server = join(folder)
    assert join(folder) is server
    server.leave()
    server.leave()
    assert running_in(folder) == {}
    again = join(folder)
    assert await ask(again.address, "SELECT 1") == 1
    again.leave()


def test_forked_child(folder: Path) -> None:
    """A forked child that ends takes nothing from its parent, and can join by itself."""
    script = """
import os, sys
from pathlib import Path
from core.postgres.embedded import join
server = join(Path(sys.argv[1]))
for joins in (False, True):
    child = os.fork()
    if not child:
        if joins:
            assert join(Path(sys.argv[1])) is not server
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    assert join(Path(sys.argv[1])) is server
print(len(list(Path(sys.argv[1]).glob("postgres/postmaster.pid"))))
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, str(folder)], cwd=BACKEND, capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("1\n", "")
    assert (folder / "postgres.log").read_text().count("fast shutdown") == 1


def test_version_without_binaries(folder: Path) -> None:
    """Data of a version that isn't installed is named with its version, and left as it is."""
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "PG_VERSION").write_text("99\n")
    with pytest.raises(EmbeddedPostgresProblem, match="No PostgreSQL 99, which made this data, was found"):
        join(folder)


def test_foreign_files(folder: Path) -> None:
    """A folder of that name with other things in it is refused, not filled."""
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "thesis.txt").write_text("mine")
    with pytest.raises(EmbeddedPostgresProblem, match="holds files, but no PostgreSQL database"):
        join(folder)
    assert [path.name for path in (folder / "postgres").iterdir()] == ["thesis.txt"]


def test_file_in_the_way(folder: Path) -> None:
    """A data path that can't be a folder is named."""
    folder.write_text("a file")
    with pytest.raises(EmbeddedPostgresProblem, match=f"can't run in {folder}: File exists"):
        join(folder)


def test_damaged_data(folder: Path) -> None:
    """A server that can't start says why, in its own words."""
    join(folder).leave()
    (folder / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedPostgresProblem, match="could not open file .*pg_control"):
        join(folder)


def test_large_log(folder: Path) -> None:
    """A log that has grown is put aside at the start, and only one such is kept."""
    for _ in range(2):
        join(folder).leave()
        (folder / "postgres.log").write_text("x" * 2_000_000)
    join(folder).leave()
    assert (folder / "postgres.log").stat().st_size < 100_000
    assert sorted(path.name for path in folder.glob("postgres.log*")) == ["postgres.log", "postgres.log.1"]
