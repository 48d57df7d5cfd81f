"""Checks, once it is imported, that this Python has what Pegasus needs, and ends the process with the way to get it.

It is the first import of what a person starts, so it needs nothing itself.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parents[2]


def remedy() -> str | None:
    """What a person can do so that Pegasus runs; None where it does."""
    if sys.version_info < OLDEST:
        return "Pegasus needs Python 3.11 or newer, and this is {}.{}.".format(*sys.version_info)
    if find_spec("fastapi") is not None:
        return None
    activate = ROOT / ".venv" / "bin" / "activate"
    missing = "This Python doesn't have the packages that Pegasus needs"
    if activate.exists():
        return f"{missing}, but its environment is there: source {activate}"
    return (
        f"{missing}. In {ROOT} make run installs them and serves; or by hand:\n"
        "  python3 -m venv .venv\n"
        "  .venv/bin/python -m pip install --require-hashes -r requirements.lock\n"
        "  source .venv/bin/activate"
    )


if (sentence := remedy()) is not None:
    sys.exit(sentence)
