"""A database that has our own tables."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.schema_healing import bring_up_to_date
from core.settings import load_settings


@pytest.fixture
async def tables(database: str) -> None:
    """Both chains, at their ends."""
    await bring_up_to_date(load_settings(database_url=database))


@pytest.fixture
async def session(engine: AsyncEngine, tables: None) -> AsyncIterator[AsyncSession]:
    """A session on a database with our own tables."""
    async with AsyncSession(engine) as session:
        yield session
