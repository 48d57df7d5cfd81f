"""The queue of jobs, kept by PgQueuer in a schema of its own beside the recordings.

Every name is given here, so that no variable of the environment, which PgQueuer would read, can choose another.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel

from core.database.engine import explained
from core.database.error_mapping import CONNECT_TIMEOUT_SECONDS
from core.errors import PegasusError, PrivilegeMissing, quoted

DriverConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SCHEMA = "pgqueuer"
CHANNEL = Channel("ch_pgqueuer")
NAMES = DBSettings(
    prefix="",
    db_schema=SCHEMA,
    channel=CHANNEL,
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.balanced,  # the jobs survive a crash, the log of them need not
    widen_id=True,
)
JOBS = NAMES.qualified.queue_table
LOG = NAMES.qualified.queue_table_log
LOCK_TIMEOUT = "30s"
_LOCK = int.from_bytes(b"pgqueuer")  # one advisory lock of the database
# The trigger notifies the workers, and transactions that notify commit one after the other, each with its sync of the
# log: with eight uploads at a time that made them four times slower. So the workers ask, and nobody notifies.
_IS_QUIET = (
    "SELECT NOT EXISTS (SELECT FROM pg_trigger"  # noqa: S608 - our own names
    f" WHERE tgrelid = '{JOBS}'::regclass AND tgname = '{NAMES.trigger}' AND tgenabled <> 'D')"
)
_QUIETEN = f"ALTER TABLE {JOBS} DISABLE TRIGGER {NAMES.trigger}"
_LOOK = (
    "SELECT current_user AS user, session_user = $1 AS is_users_name, to_regnamespace($1) IS NOT NULL AS there,"
    " has_database_privilege(current_database(), 'CREATE') AS may_create"
)


class JobQueueMissing(PegasusError):
    """The queue isn't there, or is that of an older PgQueuer, and nothing may be changed here."""

    def __init__(self) -> None:
        super().__init__(
            f"The schema {SCHEMA} doesn't hold the queue of jobs that this code needs: start with MIGRATIONS=heal once."
        )


def queue_on(connection: DriverConnection) -> Queries:
    """PgQueuer's queries, over that connection."""
    return Queries(
        AsyncpgDriver(connection),
        qbe=QueryBuilderEnvironment(settings=NAMES),
        qbq=QueryQueueBuilder(settings=NAMES),
        qbs=QuerySchedulerBuilder(settings=NAMES),
    )


@asynccontextmanager
async def queue_connection(address: str) -> AsyncIterator[DriverConnection]:
    """A connection for the queue alone. Raises DatabaseProblem for what goes wrong inside of the block, too."""
    with explained(address):
        connection = await asyncpg.connect(address, timeout=CONNECT_TIMEOUT_SECONDS)
        try:
            yield connection
        finally:
            connection.terminate() if connection.is_closed() else await connection.close(timeout=5)


async def bring_up_queue(address: str, *, may_change: bool) -> None:
    """Makes the queue, or brings it up to this PgQueuer; where it is there, or nothing may be changed, it only looks.

    Raises JobQueueMissing, PrivilegeMissing or another DatabaseProblem.
    """
    async with queue_connection(address) as connection:
        queue = queue_on(connection)
        there = await _is_there(queue)
        if there and (not may_change or await connection.fetchval(_IS_QUIET)):
            return
        if not may_change:
            raise JobQueueMissing
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            if not await queue.schema_is_installed():
                await _make_schema(connection)
                await queue.install(create_schema=False)
        await queue.apply_upgrade()  # under a lock of its own: new enum labels don't go into one transaction
        await connection.execute(_QUIETEN)


async def _is_there(queue: Queries) -> bool:
    return await queue.schema_is_installed() and not (await queue.plan_upgrade()).statements


async def _make_schema(connection: DriverConnection) -> None:
    """Raises PrivilegeMissing, and PegasusError where the schema would catch what the user leaves unqualified."""
    found = await connection.fetchrow(_LOOK, SCHEMA)
    if found is None or found["is_users_name"]:
        raise PegasusError(f"The database user must not be called {SCHEMA}, as the schema of the jobs is: use another.")
    if found["there"]:
        return
    if not found["may_create"]:
        remedy = f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {quoted(found['user'])};"
        raise PrivilegeMissing(found["user"], f"create the schema {SCHEMA}", remedy)
    await connection.execute(f"CREATE SCHEMA {SCHEMA}")
