"""The context of an application, in which an env.py like Flask-Migrate's has to run."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from ..alembic_bridge.rolled_back import rolled_back
from ..schema.errors import ReconcileError
from ..schema.postgres_errors import message_of

_NEEDED_BY = "current_app"  # Flask's name for it, in an env.py


class ApplicationMissing(ReconcileError):
    """The application isn't where it was looked for, or can't be made."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason.rstrip('.')}: name your application, or what makes it, with --app module:name")


class ApplicationNeedsDatabase(ReconcileError):
    """The application asks its database while it is made, and PostgreSQL refuses that."""

    def __init__(self, error: DBAPIError) -> None:
        super().__init__(
            f"The application can't be made: PostgreSQL says: {message_of(error)}. While it is made here, it neither"
            " migrates its database nor keeps what it writes: name one that needs neither, with --app module:name"
        )


@contextmanager
def application_context(named: str | None, config: Config) -> Iterator[None]:
    """Enters the context of the application that is named, or of the one that the command `flask` would find.

    Raises:
        ApplicationMissing: there is no such application.
        ApplicationNeedsDatabase: it can't be made on the database as it is.
    """
    if named is None and not _needs_flask(config):
        yield
        return
    sys.path.insert(0, os.fspath(Path.cwd()))
    try:
        with _changing_nothing():
            application = _application(named) if named is not None else _found_by_flask()
    except ReconcileError:
        raise
    except DBAPIError as error:
        raise ApplicationNeedsDatabase(error) from error
    except Exception as error:
        raise ApplicationMissing(f"The application can't be made: {type(error).__name__}: {error}") from error
    with application.app_context() if hasattr(application, "app_context") else nullcontext():
        yield


@contextmanager
def _changing_nothing() -> Iterator[None]:
    """Lets an application be made without what many do to their database then: `create_all`, or Alembic's upgrade."""
    run_env = ScriptDirectory.run_env
    ScriptDirectory.run_env = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005 - mypy compares names
    try:
        with rolled_back():
            yield
    finally:
        ScriptDirectory.run_env = run_env  # type: ignore[method-assign]


def _needs_flask(config: Config) -> bool:
    env = Path(ScriptDirectory.from_config(config).dir, "env.py")
    return env.is_file() and _NEEDED_BY in env.read_text(encoding="utf-8", errors="replace")


def imported(named: str, *, default: str) -> Any:
    """The object of `module:name`, or of a module and a default name."""
    module, _, name = named.partition(":")
    return getattr(import_module(module), name.removesuffix("()") or default)


def _application(named: str) -> Any:
    application = imported(named, default="app")
    is_factory = isinstance(application, type) or (callable(application) and not hasattr(application, "app_context"))
    return application() if is_factory else application


def _found_by_flask() -> Any:
    flask = import_module("flask.cli")  # such a project has it
    flask.load_dotenv()
    try:
        return flask.ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app()
    except flask.NoAppException as error:
        raise ApplicationMissing(" ".join(str(error).split())) from error
