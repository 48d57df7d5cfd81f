"""Processes that heal beside each other: Alembic and env.py can run once at a time in a process.

Each ends with the process that started it, even one that is killed, once it has finished what it is at.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Any

from ..schema.errors import ReconcileError
from .outcome import Outcome
from .rollout import Healer
from .target import Target


class WorkerLost(ReconcileError):
    """A process that heals has ended by itself."""

    def __init__(self) -> None:
        super().__init__(
            "A process that was healing has ended; what it was at is whole or as it was: the same command goes on"
        )


def serve(pipe: Pipe, heal: Callable[[Target], Outcome]) -> None:
    """In a worker: heals what comes from the other end, until that is closed."""
    while True:
        try:
            target = pipe.recv()
        except EOFError:
            return
        pipe.send(heal(target))


@contextmanager
def workers(number: int, work: Callable[..., None], *arguments: Any) -> Iterator[Healer]:
    """Starts processes that call `work(pipe, *arguments)`, which serves; they are told to end with the block."""
    context = get_context("spawn")
    pipes: list[Pipe] = []
    processes = []
    for _ in range(number):
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, *arguments))
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)

    def heal_some(targets: Iterable[Target], go_on: Callable[[], bool]) -> Iterator[Outcome]:
        waiting, idle, busy = iter(targets), list(pipes), list[Pipe]()
        while True:
            while idle and go_on() and (target := next(waiting, None)) is not None:
                pipe = idle.pop()
                pipe.send(target)
                busy.append(pipe)
            if not busy:
                return
            ready = wait(busy)
            for pipe in [pipe for pipe in busy if pipe in ready]:
                busy.remove(pipe)
                idle.append(pipe)
                yield _received(pipe)

    try:
        yield heal_some
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join()


def _received(pipe: Pipe) -> Outcome:
    try:
        outcome: Outcome = pipe.recv()
    except (EOFError, OSError) as error:
        raise WorkerLost from error
    return outcome
