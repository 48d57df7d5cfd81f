"""The parent of processes that heal, as a test speaks to it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from .bench import Bench, sqlalchemy_address
from .chains import Chain

HERE = Path(__file__).parent
BACKEND = HERE.parents[1] / "backend"


class Forks:
    """Child processes that heal."""

    def __init__(self, process: asyncio.subprocess.Process, bench: Bench) -> None:
        self._process = process
        self._bench = bench

    async def heal(self, name: str, chain: Chain, *, children: int = 1, **options: Any) -> list[dict[str, Any]]:
        """Heals a database in some processes at once, and answers with how each ended."""
        address = sqlalchemy_address(self._bench.address(name))
        request = {"ini": str(chain.ini), "address": address} | options
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([request] * children).encode() + b"\n")
        answers: list[dict[str, Any]] = json.loads(await self._process.stdout.readline())
        return answers


@asynccontextmanager
async def forking(bench: Bench) -> AsyncIterator[Forks]:
    """A process from which others are forked."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "forks.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(BACKEND), os.environ.get("PYTHONPATH", "")])},
        limit=2**24,
    )
    yield Forks(process, bench)
    assert process.stdin
    process.stdin.close()
    await process.wait()
