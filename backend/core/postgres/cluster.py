"""Makes the embedded PostgreSQL's cluster, completely or not at all, and the command that serves it."""

import errno
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from core.errors import EmbeddedPostgresProblem
from core.postgres.account import Account, account_for_new
from core.postgres.ownership import change_owner

PORT = 5432  # names the socket's file; nothing listens on TCP
USER = DATABASE = "pegasus"
BUILTIN_LOCALE_SINCE = 17
FULL_DISK_BYTES = 1024 * 1024
# A Unix socket's whole path fits into 104 bytes on macOS, 108 on Linux; a comma would separate two hosts.
_SOCKET_FOLDER = re.compile(rb"[^,\"]{1,85}")
_REASON = re.compile(r"(?:FATAL|PANIC|ERROR|error): +(.+)")


def cluster_version(cluster: Path) -> int | None:
    """The major version of the PostgreSQL that made the cluster, or None where there is no cluster yet.

    Raises:
        EmbeddedPostgresProblem: the folder holds something else.
    """
    try:
        return int((cluster / "PG_VERSION").read_text())
    except FileNotFoundError:
        if cluster.is_dir() and any(cluster.iterdir()):
            raise EmbeddedPostgresProblem(
                f"The folder {cluster} holds files, but no PostgreSQL database: name another folder in DATA_PATH."
            ) from None
        return None
    except ValueError:
        raise EmbeddedPostgresProblem(
            f"The database in {cluster} is damaged, for PG_VERSION names no version: restore the folder from a backup."
        ) from None


def make_cluster(cluster: Path, *, binaries: Path, major: int) -> None:
    """Makes a cluster with its database in a private folder next to it, and renames it once it is durable."""
    for leftover in cluster.parent.glob(f"{cluster.name}.new.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    private = Path(tempfile.mkdtemp(prefix=f"{cluster.name}.new.", dir=cluster.parent))
    fresh = private / cluster.name
    try:
        account = account_for_new(private, program=binaries / "postgres")
        _fill(fresh, account=account.for_initdb(), binaries=binaries, major=major)
        change_owner(fresh, account)
        fresh.rename(cluster)
        _sync_folder(cluster.parent)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _fill(folder: Path, *, account: Account, binaries: Path, major: int) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, account.uid, account.gid)
    identity = [f"--username={USER}", "--encoding=UTF8", "--auth-local=trust", "--auth-host=reject"]
    completed = account.run(
        [
            str(binaries / "initdb"),
            "--no-instructions",
            "--data-checksums",
            *identity,
            *_locale(major),
            str(folder),
        ]
    )
    if completed.returncode == 0:
        # A single-user server makes the database before anybody can see the cluster without it.
        single_user = [
            str(binaries / "postgres"),
            "--single",
            "-c",
            "exit_on_error=on",
            "-D",
            str(folder),
            "template1",
        ]
        completed = account.run(single_user, text=f"CREATE DATABASE {DATABASE}\n")
    if completed.returncode != 0:
        raise cannot_run(folder.parent.parent, output=completed.stderr)


def _locale(major: int) -> list[str]:
    """The same collation and case rules on every machine, where PostgreSQL has a builtin provider."""
    if major >= BUILTIN_LOCALE_SINCE:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=en_US.UTF-8", "--lc-messages=C"]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def serving_command(cluster: Path, *, binaries: Path, account: Account) -> list[str]:
    """The command that serves the cluster on its Unix socket only."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{_socket_folder(cluster, account=account)}"',
        "unix_socket_permissions": "0700",
        "max_connections": "250",
        "log_checkpoints": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [*account.wrapper, str(binaries / "postgres"), "-D", str(cluster), "-p", str(PORT), *options]


def _socket_folder(cluster: Path, *, account: Account) -> Path:
    """The cluster's own folder or, where its path is too long for a socket, another private folder."""
    if _SOCKET_FOLDER.fullmatch(os.fsencode(cluster)):
        return cluster
    name = f"pegasus-{hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]}"
    folder = Path(tempfile.gettempdir(), name)
    if not _SOCKET_FOLDER.fullmatch(os.fsencode(folder)):
        folder = Path("/tmp", name)  # noqa: S108  # its owner and mode are checked
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, account.uid, account.gid)
    except FileExistsError:
        status = folder.lstat()
        if status.st_uid != account.uid or stat.filemode(status.st_mode) != "drwx------":
            raise EmbeddedPostgresProblem(
                f"The folder {folder} is not private to the database's owner: remove it."
            ) from None
    return folder


def remove_stale_pid_file(cluster: Path) -> None:
    """Removes the pid file of a killed server; the caller holds the server's lock, so no server of Pegasus runs.

    PostgreSQL would refuse to start when another process has the old pid by now, as is usual after the restart of a
    container.

    Raises:
        EmbeddedPostgresProblem: a server that wasn't started by Pegasus runs in the cluster.
    """
    pid = _server_pid(cluster)
    if pid and _serves(pid, cluster):
        raise EmbeddedPostgresProblem(f"Another PostgreSQL, process {pid}, already serves {cluster}: stop it first.")
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def remove_stale_socket_lock(cluster: Path, *, account: Account) -> None:
    """Removes the file beside a killed server's socket that holds its pid, too; the caller holds the server's lock."""
    (_socket_folder(cluster, account=account) / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


def interrupt_server(cluster: Path) -> bool:
    """Sends a fast shutdown; the caller knows that the server's lock is held, so the process is Pegasus's own."""
    pid = _server_pid(cluster)
    if not pid:
        return False
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return False
    return True


def _server_pid(cluster: Path) -> int | None:
    try:
        return abs(int((cluster / "postmaster.pid").read_text().partition("\n")[0]))
    except (FileNotFoundError, ValueError):
        return None


def _serves(pid: int, cluster: Path) -> bool:
    """Whether that process is a PostgreSQL server of the cluster, which is its working directory."""
    if Path("/proc/self/cwd").exists():
        try:
            return Path(f"/proc/{pid}/cwd").samefile(cluster)
        except OSError:
            return False
    listing = subprocess.run(["/bin/ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "postgres" in listing.stdout


def ready_socket_folder(cluster: Path) -> str | None:
    """The folder of the running server's socket, from its pid file; None until it is ready."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    # The lines of src/include/utils/pidfile.h: the fifth is the socket's folder, the eighth the state.
    return lines[4] if lines[7:] and lines[7].strip() == "ready" else None


def cannot_run(data_path: Path, *, output: str) -> EmbeddedPostgresProblem:
    """The error with the reason from PostgreSQL's last output."""
    # On a full disk the log has no room for the reason either.
    if os.strerror(errno.ENOSPC) in output or shutil.disk_usage(data_path).free < FULL_DISK_BYTES:
        return EmbeddedPostgresProblem(
            f"The embedded PostgreSQL can't run: the disk that holds {data_path} is full."
            " Make room there, and start again."
        )
    reasons = _REASON.findall(output) or output.split("\n")
    reason = next((line.strip() for line in reversed(reasons) if line.strip()), "it ended without a word")
    return EmbeddedPostgresProblem(f"The embedded PostgreSQL can't run: {reason.rstrip('.')}.")
