"""A program that runs a PostgreSQL in a folder of its own until its input ends, and then removes both.

It says `ready FOLDER` on its output, or `failed REASON`. Its input ends with the process that started it, even one that
is killed. PostgreSQL doesn't run as root: then it runs as nobody or, where nobody can't reach the programs, in a user
namespace.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from pwd import getpwnam
from typing import Any

READY, FAILED = "ready", "failed"
PORT = "5432"
_START_SECONDS = 60
_REASON = re.compile(r"(?:FATAL|PANIC|ERROR|error): +(.+)")
_SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "logging_collector": "off",
}


class _Account:
    """How PostgreSQL's programs are started: as this user, or as another where this one is root."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.wrapper: list[str] = []
        self.options: dict[str, Any] = {}
        if os.geteuid() != 0:
            return
        nobody = getpwnam("nobody")
        self.options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        if self._reaches(folder, programs):
            return
        os.chown(folder, 0, 0)
        ids = f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}"
        self.wrapper, self.options = ["unshare", "--user", *ids, "--"], {}

    def _reaches(self, folder: Path, programs: Path) -> bool:
        command: list[str | Path] = ["/bin/sh", "-c", 'cd "$0" && exec "$1" --version', folder, programs / "postgres"]
        try:
            subprocess.run(command, capture_output=True, check=True, cwd="/", **self.options)
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def start(self, *command: object, log: Any) -> "subprocess.Popen[bytes]":
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return subprocess.Popen(
            [*self.wrapper, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment,
            **self.options,
        )


def main(programs: Path, user: str) -> None:
    """Runs the server until the input ends."""
    folder = Path(tempfile.mkdtemp(prefix="reconcile-"))
    server: subprocess.Popen[bytes] | None = None
    with tempfile.TemporaryFile() as log:
        try:
            account = _Account(folder, programs)
            server = _start(account, programs, folder, user=user, log=log)
            if server is None:
                log.seek(0)
                lines = log.read().decode(errors="replace").strip()
                reasons = _REASON.findall(lines) or lines.splitlines()
                print(FAILED, reasons[-1] if reasons else "", flush=True)
                return
            print(READY, folder, flush=True)
            sys.stdin.read()
        finally:
            if server is not None:
                server.send_signal(signal.SIGINT)
                server.wait()
            shutil.rmtree(folder, ignore_errors=True)


def _start(account: _Account, programs: Path, folder: Path, *, user: str, log: Any) -> "subprocess.Popen[bytes] | None":
    cluster = folder / "data"
    trust = ("--auth-local=trust", "--auth-host=reject")  # the folder is this user's alone
    made = account.start(
        programs / "initdb", "-D", cluster, "-U", user, *trust, "--encoding=UTF8", "--locale=C", "--no-sync", log=log
    )
    if made.wait() != 0:
        return None
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    server = account.start(
        programs / "postgres", "-D", cluster, *settings, "-c", f"unix_socket_directories={folder}", log=log
    )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if _is_ready(cluster / "postmaster.pid"):
            return server
        time.sleep(0.02)
    server.kill()
    return None


def _is_ready(pid_file: Path) -> bool:
    """The eighth line of the server's pid file is its state (src/include/utils/pidfile.h)."""
    try:
        lines = pid_file.read_text().splitlines()
    except FileNotFoundError:
        return False
    return bool(lines[7:] and lines[7].strip() == "ready")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
