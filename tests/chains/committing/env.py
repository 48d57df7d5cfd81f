"""Ends whatever transaction the connection it is given is in, and begins one of its own for each revision."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine


def migrate(connection: Connection) -> None:
    if connection.in_transaction():
        connection.commit()
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    if connection.in_transaction():
        connection.commit()


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
