"""environment: runs a project's env.py on a connection of ours, whether or not it would take one from its caller.

Alembic's own templates open a connection of their own. What they hand to `context.configure` is replaced by ours:
else a recording would play the chain in the project's real database, and a heal would wait for itself.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.util import await_only


def upgrade(config: Config, revision: str, connection: Connection, *, scripts: ScriptDirectory | None = None) -> None:
    """Has Alembic run the revisions up to one, through the project's own env.py, on this connection.

    `scripts` are the project's, where they were read before.
    """
    scripts = scripts or ScriptDirectory.from_config(config)

    def revisions(heads: Any, _context: MigrationContext) -> list[Any]:
        return scripts._upgrade_revs(revision, heads)  # noqa: SLF001 - what `alembic upgrade` does

    _run(config, scripts, connection, fn=revisions, destination_rev=revision)


def migration_context(config: Config, connection: Connection) -> MigrationContext:
    """What env.py tells Alembic, on this connection; no revision runs."""
    found: list[MigrationContext] = []

    def visit(_heads: Any, context: MigrationContext) -> list[Any]:
        found.append(context)
        return []

    _run(config, ScriptDirectory.from_config(config), connection, fn=visit, dont_mutate=True)
    return found[0]


def _run(config: Config, scripts: ScriptDirectory, connection: Connection, **options: Any) -> None:
    environment = EnvironmentContext(config, scripts, **options)
    configure = environment.configure

    def configure_ours(given: Connection | None = None, *args: Any, **kwargs: Any) -> None:
        given = kwargs.pop("connection", given)
        if given is not None and given is not connection:
            _take_over_search_path(given, connection)
        configure(connection, *args, **kwargs)

    vars(environment)["configure"] = configure_ours  # Alembic looks for it on the instance
    config.attributes["connection"] = connection
    try:
        with _running_inside_loop(), environment:
            scripts.run_env()
    finally:
        del config.attributes["connection"]


def _take_over_search_path(given: Connection, ours: Connection) -> None:
    """The one thing that an env.py is used to set on its connection, and that its revisions depend on."""
    path = given.scalar(text("SELECT current_setting('search_path')"))
    outside = not ours.in_transaction()
    ours.execute(text("SELECT set_config('search_path', :path, false)"), {"path": path})
    if outside:
        ours.commit()


@contextmanager
def _running_inside_loop() -> Iterator[None]:
    """Lets an async env.py call `asyncio.run` where a loop is running already: that of the connection it is given."""
    original = asyncio.run

    def run(main: Any, **options: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return original(main, **options)
        return await_only(main)

    asyncio.run = run
    try:
        yield
    finally:
        asyncio.run = original
