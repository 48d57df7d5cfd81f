"""The embedded PostgreSQL, which runs while a process uses it, and leaves no process behind.

Each user holds a shared lock on `postgres.users.lock`, which the kernel releases however the user ends. The guard
(core/postgres/guard.py) waits for the exclusive one; it and all of PostgreSQL hold `postgres.server.lock`.
"""

import atexit
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

from core.errors import EmbeddedPostgresProblem
from core.postgres import guard
from core.postgres.account import ENVIRONMENT, Account
from core.postgres.binaries import find_binaries
from core.postgres.cluster import (
    DATABASE,
    PORT,
    USER,
    cannot_run,
    cluster_version,
    interrupt_server,
    make_cluster,
    ready_socket_folder,
    remove_stale_pid_file,
    remove_stale_socket_lock,
    serving_command,
)
from core.postgres.ownership import settled_account
from core.postgres.password import is_protected, password_file, prepare_protection, protect

OTHERS_START_SECONDS = 120
LOG_LIMIT_BYTES = 1024 * 1024

_joined: dict[Path, "EmbeddedPostgres"] = {}
_joining = threading.RLock()


def join(data_path: Path) -> "EmbeddedPostgres":
    """Makes this process a user of the PostgreSQL under `data_path`, which is created and started as needed.

    Called again it returns the same object, and restarts PostgreSQL if it has ended.

    Raises:
        EmbeddedPostgresProblem: PostgreSQL can't run there, and why.
    """
    with _joining:
        try:
            data_path = data_path.resolve()
            data_path.mkdir(parents=True, exist_ok=True)
            if data_path not in _joined:
                _joined[data_path] = EmbeddedPostgres(data_path)
            _joined[data_path].ensure_running()
        except OSError as error:
            reason = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
            raise EmbeddedPostgresProblem(
                f"The embedded PostgreSQL can't run in {data_path}: {reason}. DATA_PATH names another folder,"
                " DATABASE_URL a PostgreSQL of your own."
            ) from error
        return _joined[data_path]


class EmbeddedPostgres:
    """One process's use of the PostgreSQL in a folder; `address` is its `postgresql://` address."""

    def __init__(self, data_path: Path) -> None:
        self.address = ""
        self._data_path = data_path
        self._cluster = data_path / "postgres"
        self._log = data_path / "postgres.log"
        self._users_lock = data_path / "postgres.users.lock"
        self._server_lock = data_path / "postgres.server.lock"
        self._use = _open_lock(self._users_lock)
        fcntl.flock(self._use, fcntl.LOCK_SH)  # waits for a shutdown that is under way
        atexit.register(self.leave)

    def ensure_running(self) -> None:
        """Finds the running server, or starts one."""
        try:
            folder = self._find_or_start()
        except BaseException:
            _joined.pop(self._data_path, None)
            self.forget()  # a guard that is just starting stops by itself
            raise
        self.address = self._address(folder)

    def _address(self, folder: str) -> str:
        host, passfile = (quote(path, safe="") for path in (folder, str(password_file(self._cluster))))
        return f"postgresql://{USER}@/{DATABASE}?host={host}&port={PORT}&passfile={passfile}"

    def leave(self) -> None:
        """Ends this process's use; the last user waits until the server has stopped."""
        with _joining:
            if _joined.get(self._data_path) is not self:
                return
            del _joined[self._data_path]
            try:
                self._stop_if_last()
            finally:
                self.forget()

    def forget(self) -> None:
        """Ends the use without waiting; in a forked process, which only inherited the lock, nothing changes."""
        atexit.unregister(self.leave)
        os.close(self._use)

    def _find_or_start(self) -> str:
        deadline = time.monotonic() + OTHERS_START_SECONDS
        while True:
            server = _open_lock(self._server_lock)
            try:
                if _acquire(server, fcntl.LOCK_EX):
                    self._start(server)
                folder = ready_socket_folder(self._cluster)
            finally:
                os.close(server)
            if folder is not None and _answers(folder):
                return folder
            if time.monotonic() > deadline:
                raise cannot_run(self._data_path, output=self._log.read_text(errors="replace"))
            time.sleep(0.02)  # another process is starting or stopping it

    def _start(self, server: int) -> None:
        existing = cluster_version(self._cluster)
        binaries, major = find_binaries(major=existing)
        if existing is None:
            make_cluster(self._cluster, binaries=binaries, major=major)
        remove_stale_pid_file(self._cluster)
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        self._log.touch(mode=0o600)
        log_size = self._log.stat().st_size
        account = settled_account(self._cluster, program=binaries / "postgres")
        remove_stale_socket_lock(self._cluster, account=account)
        protected = is_protected(self._cluster)
        if not protected:
            prepare_protection(self._cluster, user=USER, account=account)
        command = serving_command(self._cluster, binaries=binaries, account=account)
        if not self._start_guard(command, server=server, account=account):
            raise cannot_run(self._data_path, output=self._log.read_bytes()[log_size:].decode(errors="replace"))
        if not protected:
            address = self._address(ready_socket_folder(self._cluster) or "")
            protect(self._cluster, user=USER, address=address, account=account)

    def _start_guard(self, command: list[str], *, server: int, account: Account) -> bool:
        """Starts a guard, which inherits the server's lock, and waits until the server is ready."""
        change = account.options()
        owner = [str(change.get("user", -1)), str(change.get("group", -1))]
        paths = [str(self._users_lock), str(self._cluster), str(server)]
        with self._log.open("ab") as log:
            completed = subprocess.run(
                [sys.executable, "-I", "-S", guard.__file__, *paths, *owner, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[server],
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
                umask=0o077,
                check=False,
            )
        return completed.stdout == b"ready"

    def _stop_if_last(self) -> None:
        server = _open_lock(self._server_lock)
        try:
            if _acquire(self._use, fcntl.LOCK_EX):
                # Nobody can join before this lock is released, so this never waits for another user's end.
                if _acquire(server, fcntl.LOCK_SH) or not interrupt_server(self._cluster):
                    return
            elif _acquire(self._use, fcntl.LOCK_SH):
                return  # other processes use it
            fcntl.flock(server, fcntl.LOCK_SH)  # free once every process of the server is gone
        finally:
            os.close(server)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _acquire(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
