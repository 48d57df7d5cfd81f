"""heal: the whole way of a database to the end of its tape, in one transaction, or not a step of it.

    observe -> locate -> plan -> apply -> verify -> commit

`look` goes the first three steps and changes nothing. Neither waits inside the server.
"""

import random
import time

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from reconcile.apply import apply, stamp
from reconcile.errors import ReconcileError
from reconcile.locate import Location, locate
from reconcile.lock import PATIENCE_SECONDS, locked
from reconcile.observe import observe
from reconcile.plan import Plan, Refusal, plan
from reconcile.project import Project
from reconcile.report import Report
from reconcile.verify import VerificationFailed, verify

TRIES_ON_BUSY_TABLE = 20
_BUSY = {"55P03", "40P01"}  # lock_not_available, deadlock_detected
_NOT_THE_SCHEMA = (
    "08",
    "28",
    "42501",
    "53",
    "57",
    "58",
    "XX",
)  # connection, authorization, resources, shutdown, I/O, internal


class TableBusy(ReconcileError):
    """A table that has to change was in use the whole time."""

    def __init__(self, tries: int) -> None:
        super().__init__(
            f"A table that has to change was in use at each of {tries} tries: try again when it is quieter."
        )
        self.tries = tries


def look(connection: Connection, project: Project, *, assume: str | None = None) -> Report:
    """Says where the database is and what would be done; changes nothing and takes no lock.

    `assume` is the revision that a person says the database is at, heard where the schema leaves a choice.
    """
    with connection.begin() as transaction:
        location = _locate(connection, project, assume)
        transaction.rollback()
    return Report(location, plan(location, project.tape), project.tape)


def heal(
    connection: Connection,
    project: Project,
    *,
    assume: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Report:
    """Brings the database to the end of the tape, and proves it before committing; or refuses and changes nothing.

    Raises:
        HealInProgress: another process was at it for longer than `patience_seconds`.
        TableBusy: a table stayed in use.
        DBAPIError: the database went away, or the user may not do what is needed.
    """
    report = look(connection, project, assume=assume)
    if not report.plan.steps:
        return report
    for attempt in range(TRIES_ON_BUSY_TABLE):
        try:
            return _heal_once(connection, project, assume, patience_seconds)
        except DBAPIError as error:
            if _sqlstate(error) not in _BUSY:
                raise
            time.sleep(random.uniform(0.05, 0.1) * min(2**attempt, 20))  # noqa: S311 - jitter, not a secret
    raise TableBusy(TRIES_ON_BUSY_TABLE)


def _heal_once(connection: Connection, project: Project, assume: str | None, patience_seconds: float) -> Report:
    start = time.monotonic()
    location = decided = None
    try:
        with locked(connection, versions=project.tape.versions, patience_seconds=patience_seconds):
            location = _locate(connection, project, assume)
            decided = plan(location, project.tape)
            apply(decided, connection, project)
            verify(_locate(connection, project))
    except (DBAPIError, VerificationFailed) as error:
        reason = _refusal(error)
        if reason is None or location is None or decided is None:
            raise
        return Report(location, Plan(refusal=reason), project.tape)
    return Report(location, decided, project.tape, applied=bool(decided.steps), seconds=time.monotonic() - start)


def stamp_only(connection: Connection, project: Project) -> Report:
    """Writes the revision that the schema is at into the version table, and changes nothing else."""
    with locked(connection, versions=project.tape.versions):
        location = _locate(connection, project)
        decided = plan(location, project.tape)
        if decided.refusal is None:
            stamp(connection, project.tape.tips(location.applied), project)
    return Report(location, decided, project.tape)


def _locate(connection: Connection, project: Project, assume: str | None = None) -> Location:
    tape = project.tape
    observation = observe(
        connection, versions=tape.versions, schema=tape.schema, schemas=tape.schemas, names=tape.names
    )
    return locate(observation, tape, assume=assume)


def _refusal(error: DBAPIError | VerificationFailed) -> Refusal | None:
    """What the schema or the rows won't take is a refusal; everything else is not reconcile's to explain."""
    if isinstance(error, VerificationFailed):
        return Refusal(str(error))
    state = _sqlstate(error)
    if state in _BUSY or state.startswith(_NOT_THE_SCHEMA):
        return None
    return Refusal(
        f"PostgreSQL refused a step: {message_of(error)}",
        (f"-- make this possible, then heal again: {error.statement};",),
    )


def _sqlstate(error: DBAPIError) -> str:
    original = error.orig
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "XX000"


def message_of(error: DBAPIError) -> str:
    """What PostgreSQL said, without what SQLAlchemy wraps round it."""
    cause = getattr(error.orig, "__cause__", None) or error.orig
    detail = getattr(cause, "detail", None)
    return f"{cause}" + (f" ({detail})" if detail else "")
