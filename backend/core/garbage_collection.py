"""Keeps the garbage collector from looking through what imports make: nothing of it ever becomes garbage.

It is off once this is imported, until `resume`.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

gc.disable()


def resume() -> None:
    """Turns the collector on, for what is made from now on."""
    gc.freeze()
    gc.enable()


@contextmanager
def paused() -> Iterator[None]:
    """Turns the collector off for the block, which imports."""
    gc.disable()
    try:
        yield
    finally:
        resume()
