"""Looks at many targets and tells which aren't well; schemas that are alike to the letter are looked at once."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..inspection.inspect import Choices, inspect
from ..location.locate import Verdict
from ..planning.report import Report
from ..tape.project import Project
from .outcome import FAILURES, Outcome, failure_of, outcome_of
from .sieve import Fingerprint, Sieve
from .target import Target, in_schema, on_target, project_of_target

_SCHEMAS_AT_ONCE = 500
_log = logging.getLogger(__name__)


def survey(connection: Connection, project: Project, targets: Sequence[Target], choices: Choices) -> Iterator[Outcome]:
    """The verdict on each target, in order; `connection` leads to the project's own database. It changes nothing."""
    if targets[0].schema is not None:
        yield from _survey_schemas(connection, project, targets, choices)
        return
    for number, target in enumerate(targets, start=1):
        _log.info("%d of %d: %s", number, len(targets), target.name)
        try:
            with on_target(connection, target) as own:
                yield outcome_of(target, inspect(own, project, choices))
        except FAILURES as error:
            yield failure_of(target, error)


def _survey_schemas(
    connection: Connection, project: Project, targets: Sequence[Target], choices: Choices
) -> Iterator[Outcome]:
    healthy: dict[Fingerprint, Outcome] = {}
    sieve = Sieve(connection, in_schema(project.tape, ""))
    for start in range(0, len(targets), _SCHEMAS_AT_ONCE):
        batch = targets[start : start + _SCHEMAS_AT_ONCE]
        _log.info("%d of %d schemas", start, len(targets))
        fingerprints = sieve.fingerprints([str(target.schema) for target in batch])
        for target in batch:
            fingerprint = fingerprints.get(str(target.schema))
            if fingerprint is not None and fingerprint in healthy:
                yield replace(healthy[fingerprint], target=target)
                continue
            outcome, decided = _inspected(connection, project, target, choices)
            # Somebody may have healed it since the fingerprint was taken: that would be of the schema before.
            if decided and fingerprint == sieve.fingerprints([str(target.schema)]).get(str(target.schema)):
                healthy.update({fingerprint: outcome} if fingerprint is not None else {})
            yield outcome


def _inspected(connection: Connection, project: Project, target: Target, choices: Choices) -> tuple[Outcome, bool]:
    """The outcome, and whether all that is like this target is as healthy."""
    try:
        report = inspect(connection, project_of_target(project, target), choices)
    except FAILURES as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        return failure_of(target, error), False
    return outcome_of(target, report), _is_decided_by_schema(report)


def _is_decided_by_schema(report: Report) -> bool:
    """Whether the database is current, and neither rows nor a probe were asked."""
    location = report.location
    return report.verdict is Verdict.CURRENT and not location.tolerated and not location.undecided
