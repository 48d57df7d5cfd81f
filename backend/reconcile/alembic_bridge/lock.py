"""One heal at a time: an advisory lock of PostgreSQL, held by one transaction, or by a session around several.

No attempt waits in the server: waiting in a blocking lock, or polling in an open transaction, would block another
heal's CREATE INDEX CONCURRENTLY. Each attempt is a short transaction of its own.
"""

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..observation.observe import VersionTable
from ..schema.errors import ReconcileError

PATIENCE_SECONDS = 600.0
_PAUSE_SECONDS = (0.05, 0.25)
_MAY_BE_IDLE = (  # if the server has this setting (since PostgreSQL 14)
    "SELECT pg_catalog.set_config(s.name, '0'::text, false) FROM pg_catalog.pg_settings s"
    " WHERE s.name = 'idle_session_timeout'::text"
)


class HealInProgress(ReconcileError):
    """Another process held the lock for longer than this one waits."""

    def __init__(self, waited_seconds: float) -> None:
        super().__init__(
            f"Another process is changing this database's schema; waited {waited_seconds:.0f} seconds for it."
        )
        self.waited_seconds = waited_seconds


@contextmanager
def locked(
    connection: Connection, *, versions: VersionTable | None = None, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[None]:
    """A transaction that holds the lock of a version table; it commits when the block ends without an error.

    Raises:
        HealInProgress: the lock was not free within `patience_seconds`.
    """

    def attempt() -> bool:
        connection.begin()
        acquired = bool(
            connection.scalar(text("SELECT pg_catalog.pg_try_advisory_xact_lock(CAST(:key AS bigint))"), {"key": key})
        )
        if not acquired:
            connection.rollback()
        return acquired

    key = _key(versions or VersionTable())
    _patiently(attempt, patience_seconds)
    try:
        yield
        connection.commit()
    finally:
        connection.rollback()


@contextmanager
def locked_session(
    connection: Connection, *, versions: VersionTable, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[None]:
    """Holds the lock around several transactions on other connections, by a session without a transaction.

    It may be idle for hours, and must not be ended for being idle: the lock would end with it.

    Raises:
        HealInProgress: the lock was not free within `patience_seconds`.
    """
    key = _key(versions)
    outside = connection.execution_options(isolation_level="AUTOCOMMIT")
    outside.execute(text(_MAY_BE_IDLE))
    _patiently(
        lambda: bool(
            outside.scalar(text("SELECT pg_catalog.pg_try_advisory_lock(CAST(:key AS bigint))"), {"key": key})
        ),
        patience_seconds,
    )
    try:
        yield
    finally:
        try:
            outside.execute(text("SELECT pg_catalog.pg_advisory_unlock(CAST(:key AS bigint))"), {"key": key})
        except DBAPIError as error:
            if not error.connection_invalidated:  # a session that has ended has no lock
                raise


def _patiently(attempt: Callable[[], bool], patience_seconds: float) -> None:
    start = time.monotonic()
    while not attempt():
        waited = time.monotonic() - start
        if waited > patience_seconds:
            raise HealInProgress(waited)
        time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - jitter, not a secret


def _key(versions: VersionTable) -> int:
    """A 64-bit key from the version table's name; advisory locks of different databases are separate."""
    digest = hashlib.sha256(f"reconcile {versions.schema or ''}.{versions.name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
