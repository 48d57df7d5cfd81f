"""Runs on the connection that it is given, or on an asynchronous one of its own, as `alembic init -t async` has it."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine


def migrate(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_on_own_connection() -> None:
    engine = create_async_engine(os.environ["CHAIN_DATABASE"], poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is None:
    asyncio.run(migrate_on_own_connection())
else:
    migrate(given)
