"""Opens the project that the options name, its tape played where nobody has recorded one."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from alembic.config import Config
from sqlalchemy import Connection

from ..alembic_bridge.own_connection import on_own_connection
from ..tape.cache import cached_tape
from ..tape.configuration import configuration
from ..tape.project import Project, chain, project_of, project_with, tape_path
from ..tape.recording import recorded_by_itself
from .application import application_context

Result = TypeVar("Result")


@contextmanager
def in_project(options: Namespace) -> Iterator[Config]:
    """The configuration of the project, inside of its application's context if it has one."""
    address = options.url and options.url.render_as_string(hide_password=False)
    config = configuration(options.config, arguments=options.x or (), section=options.name, address=address)
    with application_context(options.app, config):
        yield config


def on_project(options: Namespace, work: Callable[[Connection, Project], Result], *, heals: bool = False) -> Result:
    """Calls `work` with a connection to the project's database, and the project."""
    with in_project(options) as config:
        if tape_path(config).exists():
            project = project_of(config)
            return on_own_connection(config, lambda connection: work(connection, project), heals=heals)
        chain(config)

        def work_on_played(connection: Connection) -> Result:
            tape = cached_tape(config, partial(recorded_by_itself, config, connection, scratch=options.scratch))
            return work(connection, project_with(config, tape))

        return on_own_connection(config, work_on_played, heals=heals)
