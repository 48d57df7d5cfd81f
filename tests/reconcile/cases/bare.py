"""The command lines, called in an environment that holds SQLAlchemy, Alembic and psycopg, and nothing else."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tests.programs import BACKEND

PYTHON = Path(__file__).parents[3] / ".venv-bare" / "bin" / "python"
Program = Literal["alembic", "reconcile"]
Ran = subprocess.CompletedProcess[str]


class Bare:
    """A process in the bare environment that forks another for each call."""

    def __init__(self) -> None:
        assert PYTHON.exists(), "The cases need an environment for themselves: make .venv-bare/bare.stamp"
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [PYTHON, Path(__file__).with_name("bare_server.py")],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # with its forks it is one group
        )

    def call(self, program: Program, *arguments: str, folder: Path, **variables: str) -> Ran:
        """How a program ends that is called in a folder, and what it has said."""
        request = {"program": program, "arguments": arguments, "folder": str(folder), "environment": variables}
        assert self._process.stdin
        assert self._process.stdout
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            answer = json.loads(self._process.stdout.readline())
        except BaseException:  # a test's time is over: the answer that is still to come is nobody else's
            self.end()
            self._start()
            raise
        return subprocess.CompletedProcess(arguments, answer["code"], answer["stdout"], answer["stderr"])

    def end(self) -> None:
        """Ends the process, and with it any call."""
        with self._process:
            os.killpg(self._process.pid, signal.SIGKILL)


@contextmanager
def started() -> Iterator[Bare]:
    """The process, for as long as the block lasts."""
    bare = Bare()
    try:
        yield bare
    finally:
        bare.end()


def environment(**variables: str) -> dict[str, str]:
    """What a process of the bare environment is started with."""
    return {**os.environ, "PYTHONPATH": str(BACKEND), **variables}


def alone(program: Program, *arguments: str, folder: Path, **variables: str) -> Ran:
    """The same call in a process of its own."""
    return subprocess.run(
        [PYTHON, "-m", program, *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
