"""Tapes of chains that have no tape.json, by the hash of their files, in the user's cache folder."""

import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import alembic
import sqlalchemy
from alembic.config import Config
from alembic.script import ScriptDirectory

from ..alembic_bridge.own_connection import PLACE
from .file import read_tape, write_tape
from .tape import FORMAT, Tape, TapeUnreadable

_NAME = "alembic-reconcile"
_log = logging.getLogger(__name__)


def cached_tape(config: Config, record: Callable[[], Tape], *, base: str = "") -> Tape:
    """The tape in the cache, or the one that `record` returns, which is kept there; `base` is what it begins with."""
    path = _folder() / f"{_digest(config, base)}.json"
    try:
        return read_tape(path)
    except TapeUnreadable:
        tape = record()
    try:
        _write(tape, path)
    except OSError as error:
        _log.info("the tape isn't kept: %s", error)
    return tape


def _write(tape: Tape, path: Path) -> None:
    """Writes a file completely or not at all: others may read it, or write the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = Path(folder) / path.name
        write_tape(tape, whole)
        whole.replace(path)


def _folder() -> Path:
    """The folder for caches that the platform has for its user."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / _NAME
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / _NAME
    return Path.home() / ".cache" / _NAME


def _digest(config: Config, base: str) -> str:
    """A hash of all that a recording depends on and that can be known: the files, the options, the libraries."""
    directory = ScriptDirectory.from_config(config)
    options = config.get_section(config.config_ini_section) or {}
    arguments = getattr(config.cmd_opts, "x", None) or []
    inputs = [
        [FORMAT, alembic.__version__, sqlalchemy.__version__, arguments, config.attributes.get(PLACE)],
        sorted((name, value) for name, value in options.items() if name != "sqlalchemy.url"),
        [[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in sorted(_sources(directory))],
        base,
    ]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]


def _sources(directory: ScriptDirectory) -> Iterator[Path]:
    """The files of Python that env.py and the revisions are, and that lie beside them."""
    folders: list[str] = [directory.dir, *map(str, directory._version_locations)]  # noqa: SLF001
    yield from {path.resolve() for folder in folders for path in Path(folder).rglob("*.py")}
