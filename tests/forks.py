"""Programs of backend/ in processes of their own, without the second that one takes to import.

They are forks of a process that has imported everything: for tests of what runs, not of how it starts.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.programs import BACKEND


class Fork:
    """A program that was started, or `-m` and a module, to be used as a `subprocess.Popen`."""

    def __init__(self, *command: str, environment: Mapping[str, str], stdout: int, stderr: int) -> None:
        request = {"arguments": command, "environment": dict(environment), "folder": str(BACKEND)}
        self._report, theirs = _messages()
        with theirs:
            socket.send_fds(_server(), [json.dumps(request).encode()], [stdout, stderr, theirs.fileno()])
        self.pid = int(self._report.recv(16))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises TimeoutExpired."""
        if self.returncode is None:
            self._report.settimeout(timeout)
            try:
                self.returncode = int(self._report.recv(16))
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._report.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(signal.SIGKILL)


def ended_fork(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """How a program ends, once it has, and what it has said. It may take as long as its test."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        fork = Fork(*command, environment=os.environ | environment, stdout=out.fileno(), stderr=err.fileno())
        try:
            code = fork.wait()
        finally:
            fork.kill()  # where the test's time is over
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(command, code, out.read().decode(), err.read().decode())


@cache
def _server() -> socket.socket:
    """A connection to the process that forks, which ends with this one."""
    ours, theirs = _messages()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("fork_server.py"), str(theirs.fileno())],
            cwd=BACKEND,
            pass_fds=[theirs.fileno()],
        )
    atexit.register(process.wait)
    atexit.register(ours.close)  # before: the last that is registered is called first
    return ours


def _messages() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
