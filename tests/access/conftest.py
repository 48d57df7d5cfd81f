"""A database that has our own tables."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from tests.conftest import fresh_database


@pytest.fixture
def template(request: pytest.FixtureRequest) -> str:
    """What a test's database is a copy of: an empty one, or one with both chains at their ends, for a session."""
    return str(request.getfixturevalue("healed")) if "session" in request.fixturenames else "template0"


@pytest.fixture
async def database(server_address: str, template: str) -> AsyncIterator[str]:
    """The address of a fresh database."""
    async with fresh_database(server_address, template=template) as address:
        yield address


@pytest.fixture
async def session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """A session on a database with our own tables."""
    async with AsyncSession(engine) as session:
        yield session
