"""Runs the commands that the documents name as scripts of their own."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from core.errors import PegasusError
from core.settings import Settings, load_settings


def run_script(script: Callable[[Settings], Coroutine[Any, Any, int]]) -> None:
    """Runs a command and exits; a PegasusError is printed as one sentence."""
    try:
        sys.exit(asyncio.run(script(load_settings())))
    except PegasusError as error:
        print(f"❌ {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
