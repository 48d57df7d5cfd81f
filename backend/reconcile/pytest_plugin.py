"""`pytest --reconcile`: each new revision is a test, in which it is broken off after every statement and healed.

pytest loads this where the distribution is installed; without the option it does nothing.
"""

import warnings
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, make_url

from .alembic_bridge.own_connection import on_own_connection
from .cli.opened import in_project
from .rehearsal.new_revisions import new_since
from .rehearsal.rehearse import rehearse
from .schema.errors import ChainUnreadable, ReconcileError
from .tape.cache import cached_tape
from .tape.configuration import SECTION
from .tape.project import Project, chain, project_of
from .tape.recording import recorded, recorded_by_itself

_HELP = {
    "since": "rehearse the revisions that are new since a commit; else the last one of each branch",
    "config": "the project's alembic.ini or pyproject.toml, where the working directory doesn't tell",
    "app": "the application that env.py needs, module:name",
    "url": "the database, where env.py has it of alembic.ini or a caller",
    "scratch": "the server for scratch databases; else the project's, else one of its own",
    "base": "a file of SQL with what must be there before the first revision, as record has it",
}


class RevisionHeals(pytest.Item):
    """Breaks one revision off after each of its statements, and heals."""

    def __init__(self, *, options: Namespace, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._options = options

    def runtest(self) -> None:
        """Fails on each statement after which a heal isn't right."""
        with in_project(self._options) as config, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the project's own, at import
            findings = on_own_connection(config, partial(self._findings, config))
        if findings:
            raise ReconcileError("\n".join(findings))

    def _findings(self, config: Config, connection: Connection) -> list[str]:
        scratch, base = self._options.scratch, self._options.base
        project = _project(config, connection, self._options)
        return [str(finding) for finding in rehearse(connection, project, self.name, scratch=scratch, base=base)]

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """The sentences alone, where they say it."""
        if isinstance(excinfo.value, ReconcileError | CommandError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **kwargs)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the revision lies, and what is tried."""
        return self.path, 0, f"revision {self.name} heals wherever it breaks off"


class RevisionFile(pytest.File):
    """The file of a revision."""

    def collect(self) -> Iterator[RevisionHeals]:
        """Nothing by itself: the plugin makes the item."""
        yield from ()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--reconcile` and what belongs to it."""
    group = parser.getgroup("reconcile", "healing of broken-off Alembic revisions")
    group.addoption("--reconcile", action="store_true", help="also break the newest revisions off everywhere, and heal")
    for name, text in _HELP.items():
        group.addoption(f"--reconcile-{name}", metavar=name.upper(), help=text)
    group.addoption("--reconcile-x", action="append", metavar="NAME=VALUE", help="an argument for env.py")


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Adds an item for each new revision."""
    if not config.getoption("--reconcile"):
        return
    options = _options(config)
    try:
        with in_project(options) as project, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            revisions = new_since(config.getoption("--reconcile-since"), chain(project))
    except ReconcileError as error:
        raise pytest.UsageError(str(error)) from error
    for script in revisions:
        file = RevisionFile.from_parent(session, path=Path(script.path).resolve())
        items.append(RevisionHeals.from_parent(file, name=script.revision, options=options))


def _options(config: pytest.Config) -> Namespace:
    """The options as the command line of reconcile has them."""
    options = {name: config.getoption(f"--reconcile-{name}") for name in (*_HELP, "x")}
    path, url, scratch, base = (options[name] for name in ("config", "url", "scratch", "base"))
    return Namespace(
        config=path and Path(path),
        name=SECTION,
        x=options["x"],
        app=options["app"],
        url=url and make_url(url),
        scratch=scratch and make_url(scratch),
        base=Path(base).read_text(encoding="utf-8") if base else "",
    )


def _project(config: Config, connection: Connection, options: Namespace) -> Project:
    """The project with its committed tape, or with one that is played: a new revision may not be recorded yet."""
    try:
        return project_of(config)
    except ChainUnreadable:
        play = partial(recorded, base=options.base) if options.base else recorded_by_itself
        record = partial(play, config, connection, scratch=options.scratch)
        return Project(config, cached_tape(config, record, base=options.base))
