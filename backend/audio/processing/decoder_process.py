"""Starts the program in decoder/, which this process never imports: as a server, or to report on its sandbox.

It inherits nothing but its own code: no environment, no module's state, no connection.
"""

import asyncio
import os
import socket
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import structlog
from pydantic import BaseModel, ValidationError

log = structlog.get_logger(__name__)

_BACKEND = Path(__file__).resolve().parents[2]
_PASSED_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")
# PYTHONPATH and the like are not passed: they would decide what is imported beside untrusted bytes.
SERVER = """
import sys
sys.path.append(sys.argv[1])
from audio.processing.decoder.fork_server import serve
serve(int(sys.argv[2]), niceness=int(sys.argv[3]))
"""
_REPORT = """
import sys
sys.path.append(sys.argv[1])
from audio.processing.decoder.sandbox import report
report()
"""


class DecoderServer:
    """The process that forks the children, and the socket over which it gets its jobs."""

    def __init__(self, program: str, *, niceness: int) -> None:
        self.control, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                _command(program, str(theirs.fileno()), str(niceness)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env=_environment(),
                start_new_session=True,  # Ctrl-C must not reach it before the jobs are done
            )

    def stop(self) -> None:
        """Kills the server; its children end with the callers that wait for them."""
        self.control.close()
        self.process.kill()
        self.process.wait()


class Sandbox(BaseModel):
    """Which layers of the decoder's sandbox work on this machine."""

    no_new_privs: bool = False
    seccomp: bool = False
    landlock: bool = False
    unprivileged: bool = False


async def inspect_sandbox() -> Sandbox:
    """Starts a process that does nothing but enter the sandbox as each child does, and returns which layers work."""
    process = await asyncio.create_subprocess_exec(
        *_command(_REPORT), stdin=DEVNULL, stdout=PIPE, cwd="/", env=_environment()
    )
    output, _ = await process.communicate()
    try:
        sandbox = Sandbox.model_validate_json(output)
    except ValidationError:  # stderr has its own words
        log.warning("the decoder's box can't be closed", status=process.returncode)
        return Sandbox()
    layers = sandbox.model_dump()
    (log.info if all(layers.values()) else log.warning)("the decoder's box", **layers)
    return sandbox


def _command(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-c", program, str(_BACKEND), *arguments]


def _environment() -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    return passed | {"OPENBLAS_NUM_THREADS": "1"}  # a process that forks has no threads
