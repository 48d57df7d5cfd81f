"""Runs in the bare environment: calls command lines, each in a fork of its own, as a fresh process would be.

A request is a line of JSON on stdin: the program, its arguments, its folder and its environment. The answer is one on
stdout: the exit code and what was written. A fork has all modules loaded, and nothing of those before it.
"""

import gc
import json
import os
import sys
import tempfile
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Any

PROGRAMS = {"alembic": "alembic.config", "reconcile": "reconcile.__main__"}


def call(program: str, arguments: list[str]) -> int:
    """The exit code of a program that is called in this process."""
    try:
        code = import_module(PROGRAMS[program]).main(arguments)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as an interpreter ends
        traceback.print_exc()
        return 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
        return 1
    return code or 0


def fork(request: dict[str, Any]) -> dict[str, object]:
    """The answer to a request."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            for file, number in ((out, 1), (err, 2)):
                os.dup2(file.fileno(), number)
            os.chdir(request["folder"])
            os.environ.update(request["environment"])
            code = call(request["program"], request["arguments"])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return {"code": os.waitstatus_to_exitcode(status), "stdout": said[0], "stderr": said[1]}


if __name__ == "__main__":
    for module in (*PROGRAMS.values(), "psycopg", "sqlalchemy.dialects.postgresql.psycopg"):
        with suppress(ImportError):  # whoever calls it hears of it
            import_module(module)
    gc.freeze()  # what is loaded isn't copied into a fork by looking whether it is still needed
    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line))), flush=True)
