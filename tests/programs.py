"""Programs run in the tests' own process, without the second that another one takes to start.

What they say and how they end is the same; that they can be started at all is for the tests that start them.
"""

import io
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

BACKEND = Path(__file__).parents[1] / "backend"
Program = Callable[[Sequence[str]], object]


def script(name: str) -> Program:
    """One of the scripts in backend/, as `python3 NAME` runs it."""

    def run(arguments: Sequence[str]) -> None:
        with patch.object(sys, "argv", [name, *arguments]):
            runpy.run_path(str(BACKEND / name), run_name="__main__")

    return run


def ran(program: Program, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """How a program ends that is run from backend/, and what it has said.

    It runs on a thread of its own: the test may have an event loop, and so may the program.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment),
        chdir(BACKEND),
        redirect_stdout(out),
        redirect_stderr(err),
        ThreadPoolExecutor(1) as thread,
    ):
        code = thread.submit(_exit_code, program, arguments).result()
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def _exit_code(program: Program, arguments: Sequence[str]) -> int:
    try:
        code = program(arguments)
    except SystemExit as error:
        code = error.code
    if isinstance(code, str):
        print(code, file=sys.stderr)
        return 1
    assert code is None or isinstance(code, int)
    return int(code or 0)
