"""A real PostgreSQL for the tests, and a fresh database for each test that asks for one."""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest
import structlog
from _pytest.nodeid import NodeId
from sqlalchemy.ext.asyncio import AsyncEngine

from app.schema_healing import bring_up_to_date
from core.database.engine import open_single_use_engine
from core.postgres.embedded import join
from core.settings import Settings, load_settings
from tests.object_store import ObjectStore

OTHERS_PREFIXES = ("PG", "COMPOSE_", "POSTGRES_")
ROOM_BYTES = 4 * 1024**3  # what a session's databases may grow to
# What makes a server safe and quick over weeks; autovacuum visits each of a hundred databases every minute.
RELAXED = ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "autovacuum = off")


class RunSql(Protocol):
    """Runs one statement in the test's database, on a connection of its own."""

    async def __call__(self, statement: str, *arguments: object) -> list[Any]:
        """The rows that the statement returns."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Lets a run choose where the servers in tests keep their bytes."""
    parser.addoption("--storage", choices=["local", "s3"], default="local", help="what tests/api keeps its bytes in")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is about a folder where there is none, and names each test's group for `--dist loadgroup`."""
    if config.getoption("loadgroup", default=False):
        for item in items:
            _name_group(item)
    if config.getoption("--storage") == "local":
        return
    left_out = [item for item in items if item.get_closest_marker("folder")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _name_group(item: pytest.Item) -> None:
    """Ends a test's id in its group, by which the tests of a group come to one worker, and share what that has made.

    pytest-xdist 3.8 means to do that, but sets what pytest 9.2 no longer reads, and groups nothing (its issue 1386).
    """
    groups = {str(mark.args[0]) for mark in item.iter_markers("xdist_group")}
    suffix = f"@{'_'.join(sorted(groups))}"
    if groups and not item.nodeid.endswith(suffix):
        item._id = NodeId.parse(item.nodeid + suffix)


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Leaves the log as it was to the next test, wherever this one sends it."""
    ours, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    structlog.configure(**ours)
    logging.root.handlers[:], logging.root.level = handlers, level


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keeps the developer's environment, `.env` and data out of the tests, and of the processes that they start."""
    ours = {name.upper() for name in Settings.model_fields}
    for name in list(os.environ):
        if name.upper() in ours or name.upper().startswith(OTHERS_PREFIXES):
            del os.environ[name]
    os.environ["ENV_FILE"] = os.devnull
    os.environ["DATA_PATH"] = str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session", autouse=True)
def cheap_clients() -> Iterator[None]:
    """Spares httpx what it does anew for each client or request: loading certificates, looking for modules on disk.

    The context of TLS is as good for all of them, and neither module is installed.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        for missing in ("sniffio", "trio"):
            assert find_spec(missing) is None
            patch.setitem(sys.modules, missing, None)
        yield


@pytest.fixture(autouse=True)
def _own_import_path() -> Iterator[None]:
    """Leaves the import path as it was: each heal adds its project's folder, and whatever imports looks in all."""
    ours = sys.path[:]
    yield
    sys.path[:] = ours


@pytest.fixture(scope="session")
def server_address() -> Iterator[str]:
    """The address of this session's PostgreSQL, where durability is given up for speed: in memory, if there is room."""
    with tempfile.TemporaryDirectory(prefix="pegasus-", dir=_in_memory()) as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        server = join(Path(folder))
        relax = (f"ALTER SYSTEM SET {setting}" for setting in RELAXED)
        asyncio.run(_run(server.address, *relax, "SELECT pg_reload_conf()"))
        asyncio.run(_fill_cache(server.address))
        yield server.address
        server.leave()


async def _fill_cache(address: str) -> None:
    """Connects to template0 once: PostgreSQL leaves in it what the first connection to each copy would look up anew."""
    allowed = "ALTER DATABASE template0 ALLOW_CONNECTIONS {}"
    await _run(address, allowed.format("true"))
    await _run(address.replace("/pegasus?", "/template0?"))
    await _run(address, allowed.format("false"))


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """This session's SeaweedFS, begun with the first test that needs one."""
    with tempfile.TemporaryDirectory(prefix="pegasus-s3-", dir=_in_memory()) as folder:
        store = ObjectStore(Path(folder))
        store.start()
        yield store
        store.stop()


@pytest.fixture
def storage_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of the storage that the run was asked to test with."""
    if request.config.getoption("--storage") == "local":
        return {}
    store: ObjectStore = request.getfixturevalue("object_store")
    return store.settings()


def _in_memory() -> Path | None:
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else None


@pytest.fixture
async def database(server_address: str) -> AsyncIterator[str]:
    """The address of a fresh, empty database."""
    async with fresh_database(server_address, template="template0") as address:
        yield address


@asynccontextmanager
async def fresh_database(server_address: str, *, template: str) -> AsyncIterator[str]:
    """The address of a database like the template, for as long as it is wanted."""
    name = f"test_{uuid4().hex}"
    await _run(server_address, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield server_address.replace("/pegasus?", f"/{name}?")
    await _run(server_address, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def healed(server_address: str) -> str:
    """The name of a database that has once been made ready; whoever needs one has a copy."""

    async def make() -> None:
        async with fresh_database(server_address, template="template0") as address:
            await bring_up_to_date(load_settings(database_url=address))
            connection = await asyncpg.connect(server_address)
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {urlsplit(address).path[1:]}")
            await connection.close()
        await _run(server_address.replace("/pegasus?", f"/{name}?"))  # fills a cache that copies then have

    name = f"healed_{uuid4().hex}"
    asyncio.run(make())
    return name


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    """An engine on the test's database."""
    engine = open_single_use_engine(database)
    yield engine
    await engine.dispose()


@pytest.fixture
def run_sql(database: str) -> RunSql:
    """A function that runs one statement in the test's database and answers with its rows."""

    async def run(statement: str, *arguments: object) -> list[Any]:
        connection = await asyncpg.connect(database)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    return run


async def _run(address: str, *statements: str) -> None:
    connection = await asyncpg.connect(address)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
