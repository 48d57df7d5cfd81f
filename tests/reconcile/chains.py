"""Our chain copied to where it can be broken, and the command line called on it."""

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from reconcile.__main__ import main
from tests.forks import ended_fork
from tests.programs import BACKEND, ran

Result = TypeVar("Result")
INI = """
[alembic]
script_location = %(here)s/alembic
prepend_sys_path = {backend}
path_separator = os
"""


def copied_chain(folder: Path) -> Path:
    """A copy of our chain in `folder`; returns its alembic.ini."""
    shutil.copytree(BACKEND / "alembic", folder / "alembic", ignore=shutil.ignore_patterns("__pycache__"))
    ini = folder / "alembic.ini"
    ini.write_text(INI.format(backend=BACKEND))
    return ini


def command(*arguments: str, database: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a Python program from backend/ to its end, in a process of its own."""
    return ended_fork(*arguments, **({"DATABASE_URL": database} if database else {}), **environment)


def reconcile(*arguments: str, database: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `python -m reconcile` from backend/."""
    given = environment | ({"DATABASE_URL": database} if database else {})
    return ran(main, *arguments, **given)


def asked(database: str, question: Callable[[asyncpg.Connection], Awaitable[Result]]) -> Result:
    """What a question on a plain connection is answered with, for tests that run outside an event loop."""

    async def ask() -> Any:
        connection = await asyncpg.connect(database)
        try:
            return await question(connection)
        finally:
            await connection.close()

    return asyncio.run(ask())  # type: ignore[no-any-return]
