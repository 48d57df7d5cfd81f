"""Keeps all of its own, the version table too, in a schema that it makes and puts on the search path."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine


def migrate(connection: Connection) -> None:
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS tenant"))
    connection.execute(text("SET search_path TO tenant"))
    connection.commit()
    connection.dialect.default_schema_name = "tenant"
    context.configure(connection=connection, version_table="tenant_version", version_table_schema="tenant")
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
