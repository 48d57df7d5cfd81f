"""What the tests of reconcile share: connections, the engine called on one, and a word to whoever runs the tests."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from app.schema_healing import ALEMBIC_INI
from core.database.engine import open_single_use_engine
from reconcile.tape.project import Project, open_project
from tests.conftest import fresh_database

from .ours import seen
from .service import make_the_rest


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """A function that tells whoever runs the tests something, passed or not, in a worker or not."""

    def speak(sentence: str) -> None:
        with capsys.disabled():
            print(f"\n{sentence}", file=sys.__stderr__, flush=True)

    return speak


@pytest.fixture(scope="session")
def project() -> Project:
    """Our own chain, with its tape."""
    return open_project(ALEMBIC_INI)


@pytest.fixture(scope="session")
def beside(server_address: str) -> str:
    """The name of a database that holds our own schema and the queue of jobs, and nothing of our chain."""

    async def make() -> None:
        async with fresh_database(server_address, template="template0") as address:
            await make_the_rest(address)
            connection = await asyncpg.connect(server_address)
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {urlsplit(address).path[1:]}")
            await connection.close()

    name = f"beside_{uuid4().hex}"
    asyncio.run(make())
    return name


@pytest.fixture
async def raw(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection to the test's database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def healer(database: str) -> AsyncIterator[AsyncConnection]:
    """The connection on which the engine works."""
    engine = open_single_use_engine(database)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@pytest.fixture(scope="session")
def head(server_address: str, project: Project) -> frozenset[str]:
    """What is seen in a database that holds the end of the chain and nothing else, made by Alembic alone."""

    async def look() -> frozenset[str]:
        async with fresh_database(server_address, template="template0") as address:
            engine = open_single_use_engine(address)
            async with engine.connect() as connection:
                await connection.run_sync(upgraded, project)
            await engine.dispose()
            raw = await asyncpg.connect(address)
            try:
                return await seen(raw)
            finally:
                await raw.close()

    return asyncio.run(look())


def upgraded(connection: Connection, project: Project) -> None:
    """Runs `alembic upgrade head`, in a transaction of its own."""
    with connection.begin():
        project.config.attributes["connection"] = connection
        try:
            command.upgrade(project.config, "head")
        finally:
            del project.config.attributes["connection"]
