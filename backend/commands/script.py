"""Runs a command that the documents name as a script of its own."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from core.errors import PegasusError
from core.settings import Settings, load_settings


def run_script(script: Callable[[Settings], Awaitable[int]]) -> None:
    """Runs a command and exits; what a person can act on is told in one sentence."""
    try:
        sys.exit(asyncio.run(_run(script)))
    except PegasusError as error:
        print(f"❌ {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


async def _run(script: Callable[[Settings], Awaitable[int]]) -> int:
    return await script(load_settings())
