"""Runs the commands that the documents name as scripts of their own."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from core.errors import PegasusError
from core.settings import Settings, load_settings


def run_script(script: Callable[[Settings], Awaitable[int]]) -> None:
    """Runs a command and exits; a PegasusError is printed as one sentence."""
    try:
        sys.exit(asyncio.run(_run(script)))
    except PegasusError as error:
        print(f"❌ {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


async def _run(script: Callable[[Settings], Awaitable[int]]) -> int:
    return await script(load_settings())
