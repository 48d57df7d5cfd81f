"""look: observe -> locate -> plan. Where a database is and what would be done about it; it changes nothing."""

from dataclasses import dataclass

from sqlalchemy import Connection

from reconcile.locate import Verdict, locate
from reconcile.lock import PATIENCE_SECONDS
from reconcile.observe import observe
from reconcile.plan import Plan, plan
from reconcile.project import Project, vouched_by_revision
from reconcile.report import Report
from reconcile.size import large_tables

ROW_LIMIT = 100_000


@dataclass(frozen=True)
class Choices:
    """What a person chooses, each with the default that is right at a start.

    `assume` is the revision that they vouch for where the schema leaves a choice. Tables of more than `row_limit` rows
    are large: indexes on them are built beside their use, and heavier work on them waits for `consent`.
    """

    assume: str | None = None
    row_limit: int = ROW_LIMIT
    consent: bool = False
    patience_seconds: float = PATIENCE_SECONDS


DEFAULTS = Choices()


def look(connection: Connection, project: Project, choices: Choices = DEFAULTS) -> Report:
    """Says where the database is and what would be done, in a transaction of its own, without a lock."""
    with connection.begin() as transaction:
        report = look_within(connection, project, choices)
        transaction.rollback()
    return report


def look_within(connection: Connection, project: Project, choices: Choices = DEFAULTS) -> Report:
    """The same in the caller's transaction, whose search path is pinned by it."""
    tape = project.tape
    observation = observe(
        connection, versions=tape.versions, schema=tape.schema, schemas=tape.schemas, names=tape.names
    )
    location = locate(observation, tape, assume=choices.assume)
    if location.verdict is Verdict.AMBIGUOUS and choices.assume is None:
        vouched = vouched_by_revision(location.readings, connection, project)
        location = locate(observation, tape, assume=vouched) if vouched else location
    if location.verdict is Verdict.CURRENT:
        return Report(location, Plan(), tape, digest=observation.digest)
    large = large_tables(connection, tape, observation.schema, row_limit=choices.row_limit)
    decided = plan(location, tape, large=large, consent=choices.consent)
    return Report(location, decided, tape, digest=observation.digest)
