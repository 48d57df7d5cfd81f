"""A server on which databases are made, copied, looked into and healed, for whichever chain."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from reconcile.healing.heal import heal
from reconcile.inspection.inspect import DEFAULTS, Choices
from reconcile.observation.observe import Observation, observe
from reconcile.planning.report import Report
from reconcile.schema.schema import Key
from reconcile.tape.tape import Tape

from .chains import Chain

Result = TypeVar("Result")
USER_TABLES = """
SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
WHERE schemaname <> 'information_schema' AND schemaname !~ '^pg_' AND schemaname <> 'reconcile'
AND tablename <> :versions ORDER BY 1
"""


@dataclass(frozen=True)
class State:
    """Everything in a database that matters: what it holds, the version on record, and each row."""

    schema: dict[Key, str]
    claimed: tuple[str, ...] | None
    rows: dict[str, list[str]]


@dataclass(frozen=True)
class Played:
    """A statement as a driver got it."""

    sql: str
    parameters: Any


class Bench:
    """Databases on one server; each is thrown away with the bench.

    With `keeps`, each has one connection for all that is done there, reset each time as by a pool. A new one would plan
    anew what the engine asks, which takes longer than the answer.
    """

    def __init__(self, server: str, *, keeps: bool = False) -> None:
        self.server = server
        self._keeps = keeps
        self._made: list[str] = []
        self._kept: dict[str, AsyncEngine] = {}
        self._administrator: asyncpg.Connection | None = None

    def address(self, name: str) -> str:
        """The address of a database."""
        return self.server.replace("/pegasus?", f"/{name}?")

    async def make(self, template: str = "template0") -> str:
        """A new database, empty or a copy of one that nobody is connected to."""
        await self._disconnect(template)
        name = f"chain_{uuid4().hex[:16]}"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        self._made.append(name)
        return name

    async def drop(self, name: str) -> None:
        """Throws a database away."""
        await self._disconnect(name)
        await self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._made.remove(name)

    async def close(self) -> None:
        """Throws all away that are left."""
        for name in list(self._made):
            await self.drop(name)
        if self._administrator is not None:
            await self._administrator.close()

    async def _run(self, statement: str) -> None:
        if self._administrator is None:
            self._administrator = await asyncpg.connect(self.server)
        await self._administrator.execute(statement)

    async def on(self, name: str, work: Callable[[Connection], Result], *, sync: bool = False) -> Result:
        """What `work` answers, called with a connection to a database as a project would make it."""
        if sync:
            return await asyncio.to_thread(self._on_sync, name, work)
        if self._keeps:
            return await self._on_kept(name, work)
        engine = create_async_engine(sqlalchemy_address(self.address(name)), poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    async def _on_kept(self, name: str, work: Callable[[Connection], Result]) -> Result:
        if name not in self._kept:
            settings = {"server_settings": {"plan_cache_mode": "force_generic_plan"}}
            self._kept[name] = create_async_engine(sqlalchemy_address(self.address(name)), connect_args=settings)
        async with self._kept[name].connect() as connection:
            result = await connection.run_sync(work)
            await connection.rollback()
            raw: Any = (await connection.get_raw_connection()).driver_connection
            await raw.reset()
        return result

    async def _disconnect(self, name: str) -> None:
        if engine := self._kept.pop(name, None):
            await engine.dispose()

    def _on_sync(self, name: str, work: Callable[[Connection], Result]) -> Result:
        engine = create_engine(sqlalchemy_address(self.address(name), driver="psycopg"), poolclass=NullPool)
        try:
            with engine.connect() as connection:
                return work(connection)
        finally:
            engine.dispose()

    async def sql(self, name: str, *statements: str) -> None:
        """Runs statements, each committed by itself."""
        connection = await asyncpg.connect(self.address(name))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def heal(self, name: str, chain: Chain, choices: Choices = DEFAULTS) -> Report:
        """What the engine says and does."""
        return await self.on(name, lambda connection: heal(connection, chain.project, choices), sync=chain.sync)

    async def state(self, name: str, tape: Tape) -> State:
        """What a database holds."""
        return await self.on(name, lambda connection: state_of(connection, tape))


def sqlalchemy_address(address: str, *, driver: str = "asyncpg") -> str:
    """The address as SQLAlchemy spells it."""
    return address.replace("postgresql://", f"postgresql+{driver}://")


def state_of(connection: Connection, tape: Tape) -> State:
    """What a connection's database holds, rows by the columns' names."""
    seen: Observation = observe(connection, versions=tape.versions, schema=tape.schema, schemas=tape.schemas)
    tables = connection.scalars(text(USER_TABLES), {"versions": tape.versions.name}).all()
    rows = {
        table: sorted(
            json.dumps(row, sort_keys=True) for row in connection.scalars(text(f"SELECT to_jsonb(t) FROM {table} t"))
        )
        for table in tables
    }
    connection.rollback()
    return State(dict(seen.schema), seen.claimed, rows)


def upgrade(connection: Connection, chain: Chain, revision: str) -> list[Played]:
    """Has plain Alembic upgrade to a revision, and tells what was sent."""
    config = Config(chain.ini)
    config.attributes["connection"] = connection
    played: list[Played] = []

    def listen(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        played.append(Played(sql.strip(), parameters))

    engine: Engine = connection.engine
    event.listen(engine, "after_cursor_execute", listen)
    try:
        command.upgrade(config, revision)
    finally:
        event.remove(engine, "after_cursor_execute", listen)
    if connection.in_transaction():
        connection.commit()
    return played


def replay(connection: Connection, chain: Chain, statements: Iterable[Played]) -> None:
    """Sends statements again, each committed by itself."""
    outside = connection.execution_options(isolation_level="AUTOCOMMIT")
    if chain.path != "public":
        outside.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {chain.path}")
    outside.exec_driver_sql(f"SET search_path TO {chain.path}")
    for statement in statements:
        outside.exec_driver_sql(statement.sql, statement.parameters or None)
