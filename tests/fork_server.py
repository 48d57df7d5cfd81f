"""Runs in a process of its own: has all of Pegasus imported, and forks a process for each program that is asked for.

A request comes on the socket whose number is the only argument: JSON of arguments, environment and folder, with the
program's stdout and stderr and a socket on which its number is told, and its exit code once it has ended. A fork goes
on as `python PROGRAM` or `python -m MODULE` would: it has the modules, and nothing else, of those before it.
"""

import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

BACKEND = Path(__file__).parents[1] / "backend"
LONGEST = 1 << 20
STDOUT, STDERR = 1, 2


def listen(control: socket.socket) -> dict[str, Any]:
    """Forks until nobody asks any more. Returns, in each fork, the request that it is for."""
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    reports: dict[int, socket.socket] = {}
    while True:
        ready = {key.fileobj for key, _ in selector.select()}
        if woken in ready:
            woken.recv(4096)
            report_ended(reports)
        if control not in ready:
            continue
        text, descriptors, _, _ = socket.recv_fds(control, LONGEST, 3)
        if not text:
            sys.exit()
        out, err, report = descriptors
        if child := os.fork():
            os.close(out)
            os.close(err)
            reports[child] = socket.socket(fileno=report)
            reports[child].send(str(child).encode())
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(out, STDOUT)
        os.dup2(err, STDERR)
        for descriptor in (*descriptors, *(other.detach() for other in reports.values())):
            os.close(descriptor)
        for own in (control, woken, waker, selector):
            own.close()
        return dict(json.loads(text))


def report_ended(reports: dict[int, socket.socket]) -> None:
    """Tells the exit code of every program that has ended."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            with suppress(BrokenPipeError), reports.pop(ended[0]) as report:
                report.send(str(os.waitstatus_to_exitcode(ended[1])).encode())


def go_on(request: dict[str, Any]) -> NoReturn:
    """Becomes the program."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    program, *arguments = request["arguments"]
    if program == "-m":
        module, *arguments = arguments
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [program, *arguments]
        runpy.run_path(str(BACKEND / program), run_name="__main__")
    sys.exit()


if __name__ == "__main__":
    sys.path[0] = str(BACKEND)
    import app.serving
    import app.worker_process  # noqa: F401
    import reconcile.__main__  # noqa: F401

    gc.freeze()
    go_on(listen(socket.socket(fileno=int(sys.argv[1]))))
