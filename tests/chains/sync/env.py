"""Runs on psycopg, without any asyncio, and finds its database in alembic.ini or in the environment."""

import os

from alembic import context
from sqlalchemy import Connection, NullPool, create_engine


def migrate(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is None:
    address = context.config.get_main_option("sqlalchemy.url") or os.environ["CHAIN_DATABASE"]
    with create_engine(address.replace("+asyncpg", "+psycopg"), poolclass=NullPool).connect() as own:
        migrate(own)
else:
    migrate(given)
