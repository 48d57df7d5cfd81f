"""Runs the commands that the documents name as scripts of their own."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from core.errors import PegasusError
from core.settings import Settings, load_settings

DRY_RUN = ("--dry-run", "say what would be done, and change nothing")


def run_script(
    script: Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]], *flags: tuple[str, str]
) -> None:
    """Runs a command with the flags that were given, of those that it has, and exits; an error is one sentence."""
    parser = argparse.ArgumentParser(description=sys.modules[script.__module__].__doc__)
    for flag, description in flags:
        parser.add_argument(flag, action="store_true", help=description)
    options = parser.parse_args()
    try:
        sys.exit(asyncio.run(script(load_settings(), options)))
    except PegasusError as error:
        print(f"❌ {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
