"""Connections to the project's database, made as its env.py makes them, but with transactions.

An env.py may connect in autocommit. A heal is atomic, so its connections aren't in autocommit; only a revision that
can't run in a transaction runs as the project itself would run it.
"""

import asyncio
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, nullcontext, redirect_stdout
from typing import Any, TypeVar

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text

from .environment import CONNECTABLES, EnvironmentUnfit, run_env, without_query
from .rolled_back import POSTGRESQL, rolled_back

_COMMITS_ALONE = "reconcile_commits_each_statement"  # an execution option: env.py would connect in autocommit
_PLACEHOLDER = "driver:"  # as `alembic init` writes it
PLACE = "reconcile_place"  # among the attributes: the version table, its schema, and the schema of the project's names
_SCHEMA = text("SELECT pg_catalog.current_schema()")
Result = TypeVar("Result")


def on_own_connection(config: Config, work: Callable[[Connection], Result], *, heals: bool = False) -> Result:
    """Calls `work` with a connection made the way the project's own env.py makes its own.

    env.py runs only to get its engine: nothing may wait, or be healed, inside the transaction that it begins. It gets
    no target revision, by which an env.py that takes locks can tell that none is needed. Objects that it creates by
    itself, such as a schema, stay only where `work` heals: an inspection changes nothing. It may leave a context
    manager in `config.attributes["explained"]` that turns a driver's errors into CommandError. Its output goes to
    standard error, since standard output is for results.
    """
    with redirect_stdout(sys.stderr):
        with nullcontext() if heals else rolled_back():
            engine = _engine_of_env(config)
        return _on_connection(engine, config, work)


def _on_connection(engine: Engine, config: Config, work: Callable[[Connection], Result]) -> Result:
    with config.attributes.get("explained", nullcontext)():
        if not engine.dialect.is_async:
            with engine.connect() as connection:
                return work(connection)

        from sqlalchemy.ext.asyncio import AsyncEngine  # noqa: PLC0415 - needs greenlet, which only async projects have

        async def work_on_connection() -> Result:
            async with AsyncEngine(engine).connect() as connection:
                return await connection.run_sync(work)

        return asyncio.run(work_on_connection())


def engine_like(engine: Engine, dialect: Any = None) -> Engine:
    """An engine that connects as another one does, with its own pool, and perhaps another dialect."""
    like = Engine(engine.pool.recreate(), dialect or engine.dialect, engine.url)
    return like.execution_options(**engine.get_execution_options())


def commits_each_statement(connection: Connection) -> bool:
    """Whether the project's env.py would connect in autocommit."""
    return bool(connection.get_execution_options().get(_COMMITS_ALONE))


def commits_now(connection: Connection) -> bool:
    """Whether the connection is in autocommit now."""
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def as_the_project_does(connection: Connection) -> Connection:
    """The connection, in autocommit where the project's own would be."""
    if commits_each_statement(connection):
        return connection.execution_options(isolation_level="AUTOCOMMIT")
    return connection


def _engine_of_env(config: Config) -> Engine:
    engines: list[Engine] = []

    def visit(_heads: Any, context: Any) -> list[Any]:
        dialect = context.connection.dialect.name
        schema = context.connection.scalar(_SCHEMA) if dialect == POSTGRESQL else None
        config.attributes[PLACE] = [context.version_table, context.version_table_schema, schema]
        engines.append(_with_transactions(context.connection))
        return []

    directory = ScriptDirectory.from_config(config)

    def environment(visit_once: Callable[..., Any]) -> EnvironmentContext:
        context = EnvironmentContext(config, directory, fn=visit_once, dont_mutate=True)
        without_query(context)
        return context

    with closing(_offers(config)) as offers:
        run_env(config, directory, environment, visit, offers=offers, addressed=_address(config) is not None)
    if not engines:
        raise EnvironmentUnfit("env.py runs no migrations, so it makes no connection that could be used")
    (engine,) = engines
    if engine.dialect.name != POSTGRESQL:
        raise EnvironmentUnfit(f"The project's database is {engine.dialect.name}, and only PostgreSQL is known here")
    event.listen(engine, "connect", _settled)  # after the project's own listeners
    return engine


def _offers(config: Config) -> Generator[Mapping[str, Any]]:
    """Nothing, as Alembic's command has it; then, where an address is known, a connection or an engine."""
    yield {}
    address = _address(config)
    if address is None:
        return
    engine = create_engine(address, poolclass=NullPool)
    if engine.dialect.is_async:
        return
    try:
        connection = engine.connect()
    except TypeError:  # SQLAlchemy can't read the version of a server without an encoding: env.py couldn't either
        return
    with connection:
        yield {"connection": connection}
    yield dict.fromkeys(CONNECTABLES, engine)


def _address(config: Config) -> str | None:
    """The database's address, where the configuration has it."""
    address = config.get_main_option("sqlalchemy.url")
    return address if address and not address.startswith(_PLACEHOLDER) else None


def _settled(raw: Any, _record: Any) -> None:
    """Commits the transaction that a project's own listener may have begun, so that its settings stay."""
    raw.commit()


def _with_transactions(connection: Connection) -> Engine:
    """The engine of a connection, changed so that its connections aren't in autocommit."""
    engine = connection.engine
    if not getattr(connection.connection.dbapi_connection, "autocommit", False):
        return engine
    level = engine.dialect.default_isolation_level or "READ COMMITTED"
    return engine.execution_options(isolation_level=level, **{_COMMITS_ALONE: True})
