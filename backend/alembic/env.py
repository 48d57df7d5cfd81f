"""Alembic's way into the chain of `audio_files`; app/alembic_env.py knows how it reaches the database."""

import logging
from typing import Any

from alembic import context

from app.alembic_env import run
from audio.model.audio_file import Base


def configure(**how: Any) -> None:
    context.configure(
        **how,
        target_metadata=Base.metadata,
        include_object=leave_others_alone,
        process_revision_directives=write_no_empty_revision,
    )


def leave_others_alone(_object: Any, _name: str | None, kind: str, reflected: bool, known: Any) -> bool:  # noqa: FBT001 - Alembic's signature
    """A table that no model names is somebody else's: `alembic revision --autogenerate` must not drop it."""
    return not (kind == "table" and reflected and known is None)


def write_no_empty_revision(_context: Any, _revision: Any, directives: list[Any]) -> None:
    options = context.config.cmd_opts
    if getattr(options, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives.clear()
        logging.getLogger("alembic.autogenerate").info("The database and the models agree: no revision to write.")


run(configure)
