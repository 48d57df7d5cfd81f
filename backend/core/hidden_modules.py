"""Lets libraries be imported as if others weren't installed, which they would use where they find them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

_modules = cast("dict[str, Any]", sys.modules)


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Hides modules from what the block imports, unless they are imported already."""
    absent = [name for name in names if name not in _modules]
    _modules.update(dict.fromkeys(absent))  # None is the import system's way to say that there is none
    try:
        yield
    finally:
        for name in absent:
            del _modules[name]
