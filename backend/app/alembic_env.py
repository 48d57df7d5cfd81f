"""What both of our env.py share: how Alembic reaches the database, on the connection that a caller brings or its own.

A caller's transaction is the caller's to commit. On its own, a migration waits for whoever heals the same database;
what only looks neither waits for a heal nor keeps one waiting.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from core.database.engine import explained, migration_address, open_single_use_engine
from core.errors import PegasusError
from core.settings import load_settings
from reconcile.alembic_bridge.lock import HealInProgress, locked
from reconcile.observation.observe import VersionTable


def run(configure: Callable[..., None], *, versions: VersionTable | None = None) -> None:
    """Runs the migrations that Alembic was asked for.

    `configure` passes what it is given on to `context.configure`, with what is the chain's own; `versions` is where
    the chain keeps its version.
    """

    def migrate(connection: Connection) -> None:
        configure(connection=connection)
        _run_migrations()

    given = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
    elif context.is_offline_mode():
        configure(dialect_name="postgresql", literal_binds=True)
        _run_migrations()
    else:
        _run_alone(migrate, versions)


def _run_migrations() -> None:
    with context.begin_transaction():
        context.run_migrations()


def _run_alone(migrate: Callable[[Connection], None], versions: VersionTable | None) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        asyncio.run(_on_own_connection(migrate, versions))
    except PegasusError as error:
        raise CommandError(str(error)) from error


async def _on_own_connection(migrate: Callable[[Connection], None], versions: VersionTable | None) -> None:
    def migrate_locked(connection: Connection) -> None:
        with locked(connection, versions=versions) if _is_to_change() else nullcontext():
            migrate(connection)

    address = migration_address(load_settings())
    context.config.attributes["explained"] = partial(_told, address)
    engine = open_single_use_engine(address)
    try:
        with _told(address):
            async with engine.connect() as connection:
                await connection.run_sync(migrate_locked)
    finally:
        await engine.dispose()


def _is_to_change() -> bool:
    """Only upgrading, downgrading and stamping have a revision to go to; to look, nobody needs the lock."""
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


@contextmanager
def _told(address: str) -> Iterator[None]:
    """What a person can act on is told in one sentence, by `alembic` and by `python -m reconcile`."""
    try:
        with explained(address):
            yield
    except (PegasusError, HealInProgress) as error:
        raise CommandError(str(error)) from error
