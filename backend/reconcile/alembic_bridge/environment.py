"""Runs a project's env.py on our connection, even if it opens one of its own, as Alembic's templates do.

The connection that it passes to `context.configure` is replaced by ours. Otherwise a recording would play the chain in
the project's real database, and a heal would wait for itself.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..schema.errors import ReconcileError
from ..sql.lexer import significant
from .way_on import way_on

_PACKAGE = __name__.partition(".")[0]
CONNECTABLES = ("connection", "connectable", "engine")  # the attributes in which env.py may expect one
_Sent: TypeAlias = tuple[Connection, str, Any]  # the connection, the SQL and its parameters, as for the driver
# A hook for a run: it gets Alembic's steps and the context that they will run in, and returns the steps to run.
Watch: TypeAlias = Callable[[list[Any], MigrationContext], Iterable[Any]]


class EnvironmentUnfit(ReconcileError):
    """env.py can't be run on one connection to one schema."""

    exit_code = 23


class SeveralTargets(EnvironmentUnfit):
    """env.py runs the migrations more than once: only one of its databases or schemas would be inspected."""

    def __init__(self) -> None:
        super().__init__(
            "env.py runs the migrations more than once, for more than one database or schema; each has to be looked at"
            " by itself. Let env.py migrate one of them, chosen by an argument (-x), a setting or, with Alembic's"
            " template multidb, a section of alembic.ini with one name under databases (-n), and ask for each"
        )


class VersionOutOfSight(EnvironmentUnfit):
    """env.py sets a schema_translate_map, and Alembic looks for its version table under the untranslated name."""

    def __init__(self, schema: str) -> None:
        super().__init__(
            f"env.py translates names to the schema {schema}, and with them that of the version table, where Alembic"
            f' then looks for none; give context.configure a version_table_schema="{schema}"'
        )
        self.schema = schema


class EnvironmentRaised(EnvironmentUnfit):
    """env.py, or what it imports, raised an error."""

    def __init__(self, error: Exception, *, place: str, remedy: str = "") -> None:
        super().__init__(f"{place} raised {_said(error)}{remedy}")


class RevisionRaised(ReconcileError):
    """A revision's own code raised an error."""

    def __init__(self, error: Exception, *, place: str, revision: str) -> None:
        super().__init__(f"revision {revision} ({place}) raised {_said(error)}")
        self.revision = revision


def _said(error: Exception) -> str:
    return traceback.format_exception_only(error)[-1].strip().rstrip(".")


def upgrade(
    config: Config,
    revision: str,
    connection: Connection,
    *,
    scripts: ScriptDirectory | None = None,
    watch: Watch | None = None,
    enums: Iterable[str] = (),
) -> None:
    """Lets Alembic run the revisions up to `revision`, through the project's own env.py, on this connection.

    `scripts` are the project's, where they were read before. `enums` are the types that earlier revisions have made:
    in one long run SQLAlchemy remembers those that it made itself, and chains have come to depend on it.

    Raises:
        RevisionRaised: a revision's own code fails, and not because of what PostgreSQL says.
        EnvironmentRaised: env.py fails.
        SeveralTargets: env.py migrates more than one database or schema.
        VersionOutOfSight: env.py has names translated, and doesn't say where the version lies.
    """
    scripts = scripts or ScriptDirectory.from_config(config)

    def revisions(heads: Any, context: MigrationContext) -> Iterable[Any]:
        steps: list[Any] = scripts._upgrade_revs(revision, heads)  # noqa: SLF001 - what `alembic upgrade` does
        for key in ("pg_enum", "pg_ENUM"):  # in SQLAlchemy's current and older versions
            context.impl.memo.setdefault(key, set()).update((None, name) for name in enums)
        return watch(steps, context) if watch else steps

    _run(config, scripts, connection, fn=revisions, destination_rev=revision)


def migration_context(config: Config, connection: Connection) -> MigrationContext:
    """The migration context that env.py configures, on this connection; runs no revision."""
    contexts: list[MigrationContext] = []

    def visit(_heads: Any, context: MigrationContext) -> list[Any]:
        contexts.append(context)
        return []

    _run(config, ScriptDirectory.from_config(config), connection, fn=visit, dont_mutate=True)
    return contexts[0]


def _run(config: Config, scripts: ScriptDirectory, connection: Connection, *, fn: Any, **options: Any) -> None:
    settings: list[_Sent] = []

    def environment(visit: Callable[..., Any]) -> EnvironmentContext:
        context = EnvironmentContext(config, scripts, fn=visit, **options)
        vars(context)["configure"] = configured_on(context.configure)  # Alembic looks for it on the instance
        return context

    def configured_on(configure: Callable[..., None]) -> Callable[..., None]:
        def configure_ours(env_connection: Any = None, *args: Any, **kwargs: Any) -> None:
            enable_loggers()
            env_connection = kwargs.pop("connection", env_connection)
            if isinstance(env_connection, Connection) and env_connection is not connection:
                _take_over_settings(env_connection, connection, settings)
                connection.execution_options(schema_translate_map=_translation(env_connection))
            if kwargs.get("version_table_schema") is None and (schema := _translation(connection).get(None)):
                raise VersionOutOfSight(schema)
            configure(connection, *args, **kwargs)

        return configure_ours

    try:
        with _running_inside_loop(), _hearing(settings, besides=connection):
            run_env(config, scripts, environment, fn, offers=({"connection": connection}, {}, *_engines(connection)))
    finally:
        connection.execution_options(schema_translate_map={})


def _engines(connection: Connection) -> Iterator[Mapping[str, Any]]:
    """The attributes with which an env.py may expect an engine."""
    engine = connection.engine
    yield dict.fromkeys(CONNECTABLES, engine)
    if engine.dialect.is_async:
        from sqlalchemy.ext.asyncio import AsyncEngine  # noqa: PLC0415 - needs greenlet, which only async projects have

        yield dict.fromkeys(CONNECTABLES, AsyncEngine(engine))


class _Acceptance:
    """Whether env.py has configured its context, and so has taken what it was offered."""

    is_complete = False

    def watching(self, context: EnvironmentContext) -> EnvironmentContext:
        """The context, whose configuration is noticed."""
        configure = context.configure

        def configure_noticed(*args: Any, **kwargs: Any) -> None:
            configure(*args, **kwargs)
            self.is_complete = True

        vars(context)["configure"] = configure_noticed
        return context


def run_env(
    config: Config,
    scripts: ScriptDirectory,
    environment: Callable[[Callable[..., Any]], EnvironmentContext],
    visit: Callable[..., Any],
    *,
    offers: Iterable[Mapping[str, Any]],
    addressed: bool = True,
) -> None:
    """Runs env.py with the first of some attributes with which it configures its context; it calls `visit` once.

    What env.py expects in `config.attributes` can't be known: a connection, an engine, or nothing. Where it fails with
    all, the error is that with nothing: the one that Alembic's own command would end with. Not `addressed` is a project
    that names no database: then nothing could be offered. Once env.py has configured its context an error of it is
    final: another run might wait for what this one has locked.
    """
    acceptance = _Acceptance()
    failures: dict[bool, Exception] = {}
    for offer in offers:
        config.attributes.update(offer)
        try:
            with acceptance.watching(environment(only_once(visit))):
                scripts.run_env()
        except (DBAPIError, ReconcileError, CommandError):
            raise
        except SystemExit as end:
            raise EnvironmentUnfit(f"env.py ends the program, with {end.code!r}") from end
        except Exception as error:
            if _is_of_the_connection(error):
                raise
            if acceptance.is_complete:
                raise raised_by_project(error, scripts) from error
            failures[bool(offer)] = error
        else:
            return
        finally:
            for name in offer:
                config.attributes.pop(name, None)
    failure = failures[False]
    raise raised_by_project(failure, scripts, addressed=addressed) from failure


def _is_of_the_connection(error: Exception) -> bool:
    """Whether the error is SQLAlchemy's about the connection, after an earlier error of PostgreSQL's that ended it."""
    cause: BaseException | None = error
    while isinstance(cause, SQLAlchemyError):
        if isinstance(cause, DBAPIError):
            return True
        cause = cause.__context__
    return False


def without_query(environment: EnvironmentContext) -> None:
    """Keeps Alembic from querying the version table: somebody else's operator could be called by its queries."""
    configure = environment.configure

    def configure_silently(*args: Any, **kwargs: Any) -> None:
        enable_loggers()
        configure(*args, **kwargs)
        vars(environment.get_context())["get_current_heads"] = tuple

    vars(environment)["configure"] = configure_silently


def enable_loggers() -> None:
    """Enables this package's loggers again: `fileConfig`, as env.py calls it, disables all that it isn't told of."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith(_PACKAGE) and isinstance(logger, logging.Logger):
            logger.disabled = False


def only_once(visit: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps the function that Alembic calls for each run of the migrations; it refuses a second run."""
    runs = 0

    def visit_once(heads: Any, context: MigrationContext, **kwargs: Any) -> Any:
        nonlocal runs
        runs += 1
        if runs > 1:
            raise SeveralTargets
        return visit(heads, context, **kwargs)

    return visit_once


def raised_by_project(
    error: Exception, scripts: ScriptDirectory, *, addressed: bool = True
) -> RevisionRaised | EnvironmentRaised:
    """The innermost place in the project's own files that an error came from."""
    locations: list[Any] = [scripts.dir, *scripts._version_locations]  # noqa: SLF001
    folders = [Path(folder).resolve() for folder in locations]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")  # generated code
        and any(Path(frame.filename).resolve().is_relative_to(folder) for folder in folders)
    ]
    remedy = way_on(error, Path(scripts.env_py_location), addressed=addressed)
    if not frames:
        return EnvironmentRaised(error, place="env.py", remedy=remedy)
    revisions = {Path(script.path).resolve(): str(script.revision) for script in scripts.walk_revisions()}
    placed = [(frame, revisions.get(Path(frame.filename).resolve())) for frame in frames]
    frame, revision = next(((frame, revision) for frame, revision in reversed(placed) if revision), placed[-1])
    place = f"{Path(frame.filename).name}, line {frame.lineno}"
    return (
        RevisionRaised(error, place=place, revision=revision)
        if revision
        else EnvironmentRaised(error, place=place, remedy=remedy)
    )


@contextmanager
def _hearing(settings: list[_Sent], *, besides: Connection) -> Iterator[None]:
    """Collects the SQL that prepares other connections: roles, time zones, search paths, schemas, extensions."""

    def hear(connection: Connection, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        if connection is not besides and _prepares(sql):
            settings.append((connection, sql, parameters))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


def _prepares(sql: str) -> bool:
    """Whether SQL changes a setting of the session, or creates an object that has to exist before Alembic begins."""
    first, second = ([token.word for token in islice(significant(sql), 2)] + ["", ""])[:2]
    if first == "SELECT":
        return "set_config" in sql
    if first == "CREATE":
        return second in ("SCHEMA", "EXTENSION")
    return first == "SET" and second not in ("LOCAL", "TRANSACTION", "CONSTRAINTS")


def _take_over_settings(env_connection: Connection, ours: Connection, settings: Iterable[_Sent]) -> None:
    """Applies to our connection the settings that env.py has made on its own: its revisions may depend on them."""
    path = env_connection.scalar(text("SELECT pg_catalog.current_setting('search_path')"))
    outside = not ours.in_transaction()
    for connection, sql, parameters in settings:
        if connection is env_connection:
            ours.exec_driver_sql(sql, parameters)
    ours.execute(text("SELECT pg_catalog.set_config('search_path', :path, false)"), {"path": path})
    if outside:
        ours.commit()


def _translation(connection: Connection) -> dict[str | None, str | None]:
    """The schema_translate_map of a connection."""
    return connection.get_execution_options().get("schema_translate_map") or {}


@contextmanager
def _running_inside_loop() -> Iterator[None]:
    """Lets an async env.py wait for its coroutine although the loop of its connection is already running."""
    run, run_until_complete = asyncio.run, asyncio.BaseEventLoop.run_until_complete

    def awaited(original: Callable[..., Any], main: Any, *args: Any, **options: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return original(*args, main, **options)
        from sqlalchemy.util import await_only  # noqa: PLC0415 - needs greenlet, which only async projects have

        return await_only(main)

    def run_inside(main: Any, **options: Any) -> Any:
        return awaited(run, main, **options)

    def run_until_complete_inside(loop: asyncio.BaseEventLoop, future: Any) -> Any:
        return awaited(run_until_complete, future, loop)

    asyncio.run = run_inside
    asyncio.BaseEventLoop.run_until_complete = run_until_complete_inside  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        asyncio.BaseEventLoop.run_until_complete = run_until_complete  # type: ignore[method-assign]
        asyncio.run = run
