"""How the command line is called here, so that a command in a message can be copied and run as it stands.

Within Pegasus this package is called `reconcile` and has no script; the distribution alembic-reconcile installs one.
"""

import shlex
from collections.abc import Sequence
from contextvars import ContextVar

PROGRAM = "python -m reconcile" if __package__ == "reconcile" else "reconcile"
APPLICATION = "--app"  # the option that names the project's application
# The options that name the project, as they were passed: a command that is advised needs the same.
project_options: ContextVar[Sequence[str]] = ContextVar("project_options", default=())


def command(name: str, *arguments: str) -> str:
    """A command on the project of the one that runs now."""
    return " ".join([PROGRAM, name, *map(shlex.quote, project_options.get()), *arguments])
