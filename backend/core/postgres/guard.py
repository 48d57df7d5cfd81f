"""The guard: a small process that runs the embedded PostgreSQL while any process uses it, and then stops it.

It is run by its path, with the standard library alone, in a session of its own, out of Ctrl-C's reach.
Arguments: the users' lock, the cluster, the server's lock (a descriptor), user and group or -1, the command.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)
RESTART_SECONDS = 1


class ServerEndedError(Exception):
    """PostgreSQL ended while it was in use."""


def main(users_lock: str, cluster: str, server_lock: str, uid: str, gid: str, *command: str) -> int:
    """Writes "ready" to standard output once PostgreSQL is, and stays until nobody holds the users' lock."""
    if os.fork():  # so that no process has to wait for the guard as its child
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # only its users decide when the server stops
    users = os.open(users_lock, os.O_RDONLY)
    account = {} if uid == "-1" else {"user": int(uid), "group": int(gid), "extra_groups": []}

    def start() -> subprocess.Popen[bytes]:
        return _start(list(command), keep_open=int(server_lock), account=account)

    server = start()
    socket_folder = _socket_folder_when_ready(server, Path(cluster, "postmaster.pid"))
    if socket_folder is None:
        return 1
    with contextlib.suppress(BrokenPipeError):  # the process that started it may have ended
        os.write(1, b"ready")
    os.dup2(2, 1)
    while not _wait_until_unused(users, server):
        if _is_locked_exclusively(users):  # the last user stopped it, and waits for its end
            break
        time.sleep(RESTART_SECONDS)  # a full disk ends PostgreSQL; it works again once there is room
        server = start()
    server.send_signal(signal.SIGINT)  # a fast shutdown
    server.wait()
    with contextlib.suppress(OSError):  # where it is the cluster itself
        Path(socket_folder).rmdir()
    return 0


def _start(command: list[str], *, keep_open: int, account: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Every process of PostgreSQL inherits the server's lock, so it is free once all have ended."""
    guard = os.getpid()
    libc = ctypes.CDLL(None)

    def end_with_guard() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != guard:
            os._exit(1)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        pass_fds=[keep_open],
        # subprocess changes the user first; the kernel forgets the signal on a change of user.
        preexec_fn=end_with_guard if sys.platform == "linux" else None,  # noqa: PLW1509  # there are no threads
        **account,
    )


def _socket_folder_when_ready(server: subprocess.Popen[bytes], pid_file: Path) -> str | None:
    while server.poll() is None:
        try:
            lines = pid_file.read_text().splitlines()
        except OSError:
            lines = []
        if lines and lines[0] == str(server.pid) and lines[-1].strip() == "ready":
            return lines[4]
        time.sleep(0.01)
    return None


def _wait_until_unused(users: int, server: subprocess.Popen[bytes]) -> bool:
    """Blocks until nobody uses the server any more (True) or it ended by itself (False)."""

    def interrupt(*_: object) -> None:
        raise ServerEndedError

    try:
        signal.signal(signal.SIGCHLD, interrupt)
        if server.poll() is None:
            fcntl.flock(users, fcntl.LOCK_EX)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return True
    except ServerEndedError:
        pass
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    server.wait()
    return False


def _is_locked_exclusively(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
