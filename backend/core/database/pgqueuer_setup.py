"""The job queue: PgQueuer in a schema of its own.

Every name is set here, so that PgQueuer's environment variables can't change one.
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
    durability=Durability.balanced,  # the jobs survive a crash, their log need not
    widen_id=True,
)
JOBS = NAMES.qualified.queue_table
LOG = NAMES.qualified.queue_table_log
LOCK_TIMEOUT = "30s"
_LOCK = int.from_bytes(b"pgqueuer")  # one advisory lock of the database
# The trigger notifies the workers, and transactions that notify commit one after the other, each with its sync of the
# log: with eight uploads at a time that made them four times slower. So the workers poll, and the trigger is off.
_TRIGGER_IS_OFF = (
    "SELECT NOT EXISTS (SELECT FROM pg_trigger"  # noqa: S608 - our own names
    f" WHERE tgrelid = '{JOBS}'::regclass AND tgname = '{NAMES.trigger}' AND tgenabled <> 'D')"
)
_DISABLE_TRIGGER = f"ALTER TABLE {JOBS} DISABLE TRIGGER {NAMES.trigger}"
_SCHEMA_STATE = (
    "SELECT current_user AS user, session_user = $1 AS is_users_name, to_regnamespace($1) IS NOT NULL AS exists,"
    " has_database_privilege(current_database(), 'CREATE') AS may_create"
)


class JobQueueMissing(PegasusError):
    """The queue is missing or an older PgQueuer's, and MIGRATIONS forbids changes."""

    message = (
        f"The schema {SCHEMA} doesn't hold the queue of jobs that this code needs: start with MIGRATIONS=heal once."
    )


def queue_on(connection: DriverConnection) -> Queries:
    """PgQueuer's queries on that connection."""
    return Queries(
        AsyncpgDriver(connection),
        qbe=QueryBuilderEnvironment(settings=NAMES),
        qbq=QueryQueueBuilder(settings=NAMES),
        qbs=QuerySchedulerBuilder(settings=NAMES),
    )


@asynccontextmanager
async def queue_connection(address: str) -> AsyncIterator[DriverConnection]:
    """A connection for the queue alone. Raises DatabaseProblem, also for errors inside of the block."""
    with explained(address):
        connection = await asyncpg.connect(address, timeout=CONNECT_TIMEOUT_SECONDS)
        try:
            yield connection
        finally:
            connection.terminate() if connection.is_closed() else await connection.close(timeout=5)


async def prepare_queue(address: str, *, may_change: bool) -> None:
    """Creates the queue, or upgrades it to this PgQueuer; without `may_change` it only checks.

    Raises JobQueueMissing, PrivilegeMissing or another DatabaseProblem.
    """
    async with queue_connection(address) as connection:
        queue = queue_on(connection)
        is_current = await queue.schema_is_installed() and not (await queue.plan_upgrade()).statements
        if is_current and (not may_change or await connection.fetchval(_TRIGGER_IS_OFF)):
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
        await connection.execute(_DISABLE_TRIGGER)


async def _make_schema(connection: DriverConnection) -> None:
    """Raises PrivilegeMissing, and PegasusError where the schema would be the user's own "$user" on search_path."""
    row = await connection.fetchrow(_SCHEMA_STATE, SCHEMA)
    if row is None or row["is_users_name"]:
        raise PegasusError(f"The database user must not be called {SCHEMA}, as the schema of the jobs is: use another.")
    if row["exists"]:
        return
    if not row["may_create"]:
        remedy = f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {quoted(row['user'])};"
        raise PrivilegeMissing(row["user"], f"create the schema {SCHEMA}", remedy)
    await connection.execute(f"CREATE SCHEMA {SCHEMA}")
