"""How Alembic reaches the database: on the connection that a caller brings, or on one of its own.

A caller's transaction is the caller's to commit. On its own, a migration waits for whoever heals the same database.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from audio.models import Base
from core.database import explained, migration_address, open_single_use_engine
from core.errors import PegasusError
from core.settings import load_settings
from reconcile.lock import HealInProgress, locked


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=leave_others_alone,
        process_revision_directives=write_no_empty_revision,
    )
    with context.begin_transaction():
        context.run_migrations()


def leave_others_alone(_object: Any, _name: str | None, kind: str, reflected: bool, known: Any) -> bool:  # noqa: FBT001 - Alembic's signature
    """A table that no model names is somebody else's: `alembic revision --autogenerate` must not drop it."""
    return not (kind == "table" and reflected and known is None)


def write_no_empty_revision(_context: Any, _revision: Any, directives: list[Any]) -> None:
    options = context.config.cmd_opts
    if getattr(options, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives.clear()
        logging.getLogger("alembic.autogenerate").info("The database and the models agree: no revision to write.")


def migrate_alone(connection: Connection) -> None:
    with locked(connection):
        migrate(connection)


@contextmanager
def told(address: str) -> Iterator[None]:
    """What a person can act on is told in one sentence, by `alembic` and by `python -m reconcile`."""
    try:
        with explained(address):
            yield
    except (PegasusError, HealInProgress) as error:
        raise CommandError(str(error)) from error


async def migrate_on_own_connection() -> None:
    address = migration_address(load_settings())
    context.config.attributes["explained"] = partial(told, address)
    engine = open_single_use_engine(address)
    try:
        with told(address):
            async with engine.connect() as connection:
                await connection.run_sync(migrate_alone)
    finally:
        await engine.dispose()


def run() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
    elif context.is_offline_mode():
        context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
    else:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        try:
            asyncio.run(migrate_on_own_connection())
        except PegasusError as error:
            raise CommandError(str(error)) from error


run()
