"""The PostgreSQL that Pegasus brings along: runs while at least one process uses it, and leaves nothing behind.

Each user holds a shared lock on `postgres.users.lock`, which the kernel releases however the user ends. The guard
(core/postgres_guard.py) waits for the exclusive one. It and every process of PostgreSQL hold `postgres.server.lock`.
"""

import atexit
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

from core import postgres_guard
from core.errors import EmbeddedPostgresProblem
from core.postgres_account import ENVIRONMENT, account_of
from core.postgres_binaries import find_binaries
from core.postgres_cluster import (
    DATABASE,
    PORT,
    USER,
    cannot_run,
    cluster_version,
    make_cluster,
    ready_socket_folder,
    remove_stale_pid_file,
    serving_command,
)

OTHERS_START_SECONDS = 120
LOG_LIMIT_BYTES = 1024 * 1024

_joined: dict[Path, "EmbeddedPostgres"] = {}
_joining = threading.RLock()


def join(data_path: Path) -> "EmbeddedPostgres":
    """Makes this process a user of the PostgreSQL under `data_path`, which is made and started where it has to be.

    Called again it answers with the same object, and starts PostgreSQL anew should it have ended.

    Raises:
        EmbeddedPostgresProblem: PostgreSQL can't run there, and why.
    """
    with _joining:
        try:
            data_path = data_path.resolve()
            if data_path not in _joined:
                data_path.mkdir(parents=True, exist_ok=True)
                _joined[data_path] = EmbeddedPostgres(data_path)
            _joined[data_path].ensure_running()
        except OSError as error:
            raise EmbeddedPostgresProblem(
                f"The embedded PostgreSQL can't run in {data_path}: {error.strerror} ({error.filename})."
            ) from error
        return _joined[data_path]


class EmbeddedPostgres:
    """One process's use of the PostgreSQL in a folder; `address` is its `postgresql://` address."""

    def __init__(self, data_path: Path) -> None:
        self._data_path = data_path
        self._cluster = data_path / "postgres"
        self._log = data_path / "postgres.log"
        self._users = _open_lock(data_path / "postgres.users.lock")
        self.address = ""
        fcntl.flock(self._users, fcntl.LOCK_SH)  # waits for a shutdown that is under way
        atexit.register(self.leave)

    def ensure_running(self) -> None:
        """Finds the server that is running, or starts one."""
        try:
            folder = self._find_or_start()
        except BaseException:
            self.leave()
            raise
        self.address = f"postgresql://{USER}@/{DATABASE}?host={quote(folder, safe='')}&port={PORT}"

    def leave(self) -> None:
        """Ends this process's use; the last user waits until the server has stopped."""
        with _joining:
            if _joined.get(self._data_path) is not self:
                return
            del _joined[self._data_path]
            atexit.unregister(self.leave)
            try:
                self._stop_if_last()
            finally:
                os.close(self._users)

    def forget(self) -> None:
        """Closes what a forked process inherited, as its lock is its parent's."""
        os.close(self._users)
        atexit.unregister(self.leave)

    def _find_or_start(self) -> str:
        deadline = time.monotonic() + OTHERS_START_SECONDS
        while True:
            server = _open_lock(self._data_path / "postgres.server.lock")
            try:
                if _locked(server, fcntl.LOCK_EX):
                    self._start(server)
                folder = ready_socket_folder(self._cluster)
            finally:
                os.close(server)
            if folder is not None and _answers(folder):
                return folder
            if time.monotonic() > deadline:
                raise cannot_run(self._data_path, told=self._log.read_text(errors="replace"))
            time.sleep(0.02)  # another process is starting or stopping it

    def _start(self, server_lock: int) -> None:
        major = cluster_version(self._cluster)
        binaries, major_found = find_binaries(major=major)
        if major is None:
            make_cluster(self._cluster, binaries=binaries, major=major_found)
        remove_stale_pid_file(self._cluster)
        account = account_of(self._cluster)
        command = serving_command(self._cluster, binaries=binaries, account=account)
        change = account.options()
        owner = [str(change.get("user", -1)), str(change.get("group", -1))]
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("ab") as log:
            begin = log.tell()
            guard = [sys.executable, "-I", "-S", str(Path(postgres_guard.__file__).resolve())]
            started = subprocess.run(
                [*guard, str(self._data_path / "postgres.users.lock"), str(self._cluster), str(server_lock), *owner, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[server_lock],
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
                umask=0o077,
                check=False,
            )
        if started.stdout != b"ready":
            raise cannot_run(self._data_path, told=self._log.read_bytes()[begin:].decode(errors="replace"))

    def _stop_if_last(self) -> None:
        server = _open_lock(self._data_path / "postgres.server.lock")
        try:
            if _locked(self._users, fcntl.LOCK_EX):
                if not _locked(server, fcntl.LOCK_SH):
                    _interrupt(self._cluster)
            elif _locked(self._users, fcntl.LOCK_SH):
                return  # others use it
            fcntl.flock(server, fcntl.LOCK_SH)  # free once every process of the server is gone
        finally:
            os.close(server)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _interrupt(cluster: Path) -> None:
    """Asks the server to shut down fast. Its lock is held, so the number in its pid file is its own."""
    try:
        os.kill(int((cluster / "postmaster.pid").read_text().partition("\n")[0]), signal.SIGINT)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return


def _answers(folder: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(f"{folder}/.s.PGSQL.{PORT}")
        except OSError:
            return False
    return True


def _forget_all() -> None:
    for joined in _joined.values():
        joined.forget()
    _joined.clear()


os.register_at_fork(after_in_child=_forget_all)
