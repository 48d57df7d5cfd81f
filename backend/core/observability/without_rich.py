"""Imports structlog without rich, which would take a twentieth of a start to draw tracebacks that we don't use.

Another library of ours installs rich, and structlog takes what it finds.
"""

import sys
from typing import Any, cast

_modules = cast("dict[str, Any]", sys.modules)
if "structlog" not in _modules and "rich" not in _modules:
    _modules["rich"] = None  # the import system's way to say that there is none
    try:
        import structlog  # noqa: F401
    finally:
        del _modules["rich"]
