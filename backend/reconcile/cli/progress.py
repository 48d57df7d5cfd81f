"""What a command prints beside its answer: how far it has got, on a terminal, and warnings."""

import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PACKAGE = __name__.partition(".")[0]


class _ProgressLine(logging.StreamHandler[Any]):
    """Writes what is under way into one line, over what was there; warnings stay."""

    def emit(self, record: logging.LogRecord) -> None:
        stays = record.levelno >= logging.WARNING
        text = self.format(record)
        self.erase()
        self.stream.write(f"{text}\n" if stays else text[: _width()])
        self.flush()

    def erase(self) -> None:
        self.stream.write(f"\r{' ' * _width()}\r")
        self.flush()


def _width() -> int:
    return shutil.get_terminal_size().columns - 1


@contextmanager
def progress(*, verbose: bool, shown: bool = True) -> Iterator[None]:
    """Shows progress on a terminal alone, and Alembic's own lines only where they are asked for.

    An env.py configures logging for a migration: by Alembic's templates it would print that a revision runs while the
    chain is played elsewhere.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")
    alembic = [logging.getLogger(f"alembic.runtime.{name}") for name in ("migration", "plugins")]
    ours = logging.getLogger(_PACKAGE)
    level = ours.level
    line = _ProgressLine(sys.stderr) if shown and sys.stderr.isatty() and not verbose else None
    for logger in alembic:
        if not verbose:
            logger.addFilter(_is_warning)
    if not verbose:
        ours.setLevel(logging.WARNING)
    if line is not None:
        ours.setLevel(logging.INFO)
        ours.addHandler(line)
        ours.propagate = False
    try:
        yield
    finally:
        for logger in alembic:
            logger.removeFilter(_is_warning)
        ours.setLevel(level)
        if line is not None:
            line.erase()
            ours.removeHandler(line)
            ours.propagate = True


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
