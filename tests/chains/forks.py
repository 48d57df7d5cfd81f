"""Heals in child processes that kill themselves after a statement, or are killed; each request is a line of JSON.

A child is forked from a parent that has imported everything, so that a hundred kills don't take a hundred starts.
"""

import json
import os
import signal
import sys
import tempfile
import threading
from typing import Any

from sqlalchemy import Engine, event

from reconcile.__main__ import main

LOOKS = ("SELECT", "WITH", "--", "SHOW")


def heal(request: dict[str, Any]) -> None:
    """Heals in this process; never returns."""
    count = 0

    def count_and_die(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == request.get("die_after"):
            os.kill(os.getpid(), signal.SIGKILL)

    def heed(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if not sql.lstrip().startswith(LOOKS):
            count_and_die()

    event.listen(Engine, "after_cursor_execute", heed)
    event.listen(Engine, "commit", count_and_die)
    if request.get("die_in"):
        threading.Timer(request["die_in"], lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    os.environ["CHAIN_DATABASE"] = request["address"]
    code = main([request.get("command", "heal"), "-c", request["ini"], "--json"])
    sys.stdout.flush()
    print(f"{count}", file=sys.stderr, flush=True)
    os._exit(code)


def serve() -> None:
    """Answers each request with the children's ends: exit code, signal, what they printed."""
    for line in sys.stdin:
        requests = json.loads(line)
        children = []
        for request in requests:
            out, err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115 - read after the child
            child = os.fork()
            if child == 0:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                try:
                    heal(request)
                finally:
                    os._exit(70)
            children.append((child, out, err))
        answers = []
        for child, out, err in children:
            _, status = os.waitpid(child, 0)
            out.seek(0)
            err.seek(0)
            answers.append({"code": os.waitstatus_to_exitcode(status), "out": out.read(), "err": err.read()})
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    serve()
