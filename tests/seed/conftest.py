"""A copy of Pegasus as `make` leaves it, a shell like an activated environment's, a server that asks for passwords."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.config import main as alembic

from core.postgres.embedded import join
from reconcile.__main__ import main as reconcile
from tests.core.conftest import guarded_server
from tests.forks import ended_fork
from tests.programs import ran, script

__all__ = ["guarded_server"]
ROOT = Path(__file__).parents[2]
MADE_BY_MAKE = ("Makefile", ".env.example", "alembic.ini")


@dataclass(frozen=True)
class Checkout:
    """A checkout of Pegasus, where its database is, and a shell in it."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def shell(self, script: str, *, folder: str = "backend", **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs lines of a shell as a person would who has activated the environment; the first failure ends it."""
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.root / folder,
            env=self._variables(environment),
            capture_output=True,
            text=True,
            check=False,
        )

    def here(self, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a line that starts one of our programs, in this process; the program then isn't the copy's but ours."""
        given = self._given(environment)
        match line.split():
            case ["python3", "-m", "reconcile", *arguments]:
                return ran(reconcile, *arguments, **given)
            case ["python3", name, *arguments]:
                return ran(script(name), *arguments, **given)
            case ["alembic", *arguments]:
                return ran(partial(alembic, prog="alembic"), *arguments, **given)
        raise AssertionError(line)

    def forked(self, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The same in a process of its own that has imported everything already, for a server, which needs one."""
        _, *command = line.split()
        return ended_fork(*command, **self._given(environment))

    def _given(self, more: dict[str, str]) -> dict[str, str]:
        return {"ENV_FILE": str(self.root / ".env")} | self.environment | more

    def program(self, line: str) -> subprocess.CompletedProcess[str]:
        """Runs a program: here, or where Pegasus's own database ends with its last process, in one of its own."""
        return self.here(line) if "DATABASE_URL" in self.environment else self.shell(line)

    def serving(self, script: str, *, folder: str = "backend", until: str = "Pegasus serves") -> str:
        """Runs lines that end in a server, ends it as Ctrl-C does once it serves, and answers with what was said."""
        process = subprocess.Popen(
            ["bash", "-e", "-c", script],
            cwd=self.root / folder,
            env=self._variables({"PORT": "0"}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if until in line:
                os.killpg(process.pid, signal.SIGINT)
        process.stdout.close()
        assert process.wait() in (0, 130, -signal.SIGINT), said
        assert until in said, said
        return said

    def ask(self, question: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
        """What a question on a plain connection to the database is answered with."""
        if "DATABASE_URL" in self.environment:
            return asyncio.run(_asked(self.environment["DATABASE_URL"], question))
        server = join(Path(self.environment["DATA_PATH"]))
        try:
            return asyncio.run(_asked(server.address, question))
        finally:
            server.leave()

    def _variables(self, more: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("ENV_FILE", "DATA_PATH")}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return kept | {"PATH": path} | self.environment | more


async def _asked(address: str, question: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
    connection = await asyncpg.connect(address)
    try:
        return await question(connection)
    finally:
        await connection.close()


@pytest.fixture
def copied() -> Iterator[Path]:
    """The root of a copy of Pegasus, with the `.env` that make makes."""
    with tempfile.TemporaryDirectory(prefix="pegasus-") as parent:
        Path(parent).chmod(0o711)
        root = Path(parent).resolve() / "pegasus"
        shutil.copytree(ROOT / "backend", root / "backend", ignore=shutil.ignore_patterns(".env"))
        for name in MADE_BY_MAKE:
            shutil.copy(ROOT / name, root / name)
        subprocess.run(["make", ".env", "backend/.env"], cwd=root, check=True, capture_output=True)
        yield root


@pytest.fixture
def on_server(copied: Path, database: str) -> Checkout:
    """A checkout whose database is at an address, where it doesn't matter whose."""
    return Checkout(copied, {"DATABASE_URL": database, "DATA_PATH": str(copied.parent / "data")})


@pytest.fixture(params=["DATABASE_URL", "embedded"])
def checkout(request: pytest.FixtureRequest, copied: Path) -> Checkout:
    """A checkout whose database is at an address, and one whose database is Pegasus's own."""
    data = {"DATA_PATH": str(copied.parent / "data")}
    if request.param == "DATABASE_URL":
        data["DATABASE_URL"] = request.getfixturevalue("database")
    return Checkout(copied, data)
