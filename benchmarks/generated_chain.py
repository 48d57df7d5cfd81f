"""A project with a chain of any length, in a folder: Alembic's async env.py, and a table for every five revisions."""

from pathlib import Path

INI = """[alembic]
script_location = %(here)s/migrations
path_separator = os
sqlalchemy.url = {url}
"""
ENV = '''"""Alembic's async template, without what it says about logging and offline mode."""

import asyncio

from alembic import context
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import async_engine_from_config


def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_on_own_connection():
    section = context.config.get_section(context.config.config_ini_section)
    engine = async_engine_from_config(section, prefix="sqlalchemy.", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(migrate_on_own_connection())
'''
REVISION = '''"""Revision {number} of a generated chain."""

import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {parent}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    raise NotImplementedError
'''
CREATE_TABLE = """op.create_table(
        "table_{table}",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )"""
ADD_COLUMN = """op.add_column("table_{table}", sa.Column("column_{number}", sa.String(100)))
    op.create_index("ix_table_{table}_column_{number}", "table_{table}", ["column_{number}"])"""
TABLE_EVERY = 5


def generate_chain(folder: Path, *, revisions: int, address: str) -> Path:
    """Writes the project, and answers with its alembic.ini; `address` is a `postgresql://` one."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    url = address.replace("postgresql:", "postgresql+asyncpg:", 1).replace("%", "%%")
    ini = folder / "alembic.ini"
    ini.write_text(INI.format(url=url), encoding="utf-8")
    (folder / "migrations" / "env.py").write_text(ENV, encoding="utf-8")
    for number in range(1, revisions + 1):
        table = (number - 1) // TABLE_EVERY
        change = CREATE_TABLE if number % TABLE_EVERY == 1 else ADD_COLUMN
        (versions / f"{number:04}_revision.py").write_text(
            REVISION.format(
                number=number,
                id=f"{number:04}",
                parent=f'"{number - 1:04}"' if number > 1 else None,
                upgrade=change.format(table=table, number=number),
            ),
            encoding="utf-8",
        )
    return ini
