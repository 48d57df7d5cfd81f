"""Heals that kill themselves, as `kill -9` would, before a statement of a given number.

It reads such numbers, one a line; for each it forks a process that heals the database at the address in the first
argument, and prints what became of it: the signal that ended it, or 0 when it came to its end.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

from app.schema_healing import ALEMBIC_INI
from core.database.engine import open_single_use_engine
from reconcile.healing.heal import heal
from reconcile.tape.project import open_project


async def heal_until(address: str, fatal: int) -> None:
    sent = 0

    def count(*_: Any) -> None:
        nonlocal sent
        sent += 1
        if sent == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)
    engine = open_single_use_engine(address)
    async with engine.connect() as connection:
        report = await connection.run_sync(heal, open_project(ALEMBIC_INI))
    await engine.dispose()
    os._exit(0 if report.well else 1)


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if not child:
            asyncio.run(heal_until(sys.argv[1], int(line)))
        _, status = os.waitpid(child, 0)
        print(status, flush=True)
