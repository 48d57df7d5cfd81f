"""Brings a database to the end of its tape, verified before it is committed, or changes nothing.

    observe -> locate -> plan -> apply -> verify -> commit

A plan whose steps can all run in a transaction runs in one. Others run in segments, each of which leaves a state that
the next heal recognises and goes on from, whatever interrupted this one.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..alembic_bridge.environment import RevisionRaised
from ..alembic_bridge.guarded_connection import TransactionEnded, guarded_connection
from ..alembic_bridge.lock import locked, locked_session
from ..alembic_bridge.pooler import refuse_pooler
from ..execution.apply import apply, apply_alone, stamp
from ..execution.resume import ResumeFailed
from ..execution.verify import VerificationFailed, verify
from ..inspection.inspect import DEFAULTS, Choices, inspect, inspect_within
from ..journal.journal import Journal
from ..location.locate import Verdict
from ..observation.observe import Observation
from ..planning.plan import Plan, Refusal, plan
from ..planning.refused_statement import refusal_of
from ..planning.report import Report
from ..planning.steps import Step, UpgradeAlone, runs_alone, segments
from ..schema.errors import ReconcileError
from ..schema.postgres_errors import first_failure, is_busy, message_of
from ..tape.project import Project

TRIES_ON_BUSY_TABLE = 20
_REFUSING = (VerificationFailed, RevisionRaised, ResumeFailed, TransactionEnded)
_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class TableBusy(ReconcileError):
    """A table that has to be changed was locked all the time."""

    def __init__(self, tries: int) -> None:
        super().__init__(
            f"A table that has to change was in use at each of {tries} tries: try again when it is quieter."
        )
        self.tries = tries


def heal(connection: Connection, project: Project, choices: Choices = DEFAULTS) -> Report:
    """Brings the database to the end of the tape, or refuses and changes nothing.

    Raises:
        HealInProgress: another process was healing for longer than this one waits.
        TableBusy: a table stayed locked.
        PoolerBetween: a transaction pooler stands between us and PostgreSQL.
        DBAPIError: the database went away, or the user may not do what is needed.
    """
    report = _doubting(inspect(connection, project, choices), connection, project, choices)
    if not report.plan.steps:
        return report
    refuse_pooler(connection)
    start = time.monotonic()
    way = _in_one_transaction if _is_whole(report) else _in_segments
    report = replace(way(connection.engine, project, choices), seconds=time.monotonic() - start)
    if report.plan.refusal is None or choices.assume is None:
        return report
    return replace(report, plan=_with_other_readings(report.plan, inspect(connection, project), assumed=choices.assume))


def _with_other_readings(plan: Plan, unassumed: Report, *, assumed: str) -> Plan:
    """The refusal of an assumed revision, with the other revisions that could be assumed instead."""
    refusal = unassumed.plan.refusal
    if plan.refusal is None or refusal is None:
        return plan
    others = tuple(one for one in refusal.remedies if "--assume" in one and not one.endswith(f" {assumed}"))
    return replace(plan, refusal=replace(plan.refusal, remedies=(*plan.refusal.remedies, *others)))


def stamp_only(connection: Connection, project: Project) -> Report:
    """Writes the schema's revision into the version table, and changes nothing else."""
    with locked(connection, versions=project.tape.versions):
        report = inspect_within(connection, project)
        if report.plan.refusal is None:
            stamp(connection, project.tape.tips(report.location.applied), project, report.observation.versions)
    return report


def _doubting(report: Report, connection: Connection, project: Project, choices: Choices) -> Report:
    """Changes a report to ambiguous where the journal contradicts it.

    A revision that moves rows and then ends its transaction can be interrupted without a trace in the schema. Only the
    journal shows that it had begun; whether its rows were moved, a person has to say.
    """
    alone = [step for step in report.plan.steps if isinstance(step, UpgradeAlone)]
    if not alone or choices.assume is not None:
        return report
    revision, home = project.tape.by_id[alone[0].revision], report.observation.home
    if not revision.moves_rows or str(alone[0]) not in Journal(project).unfinished(connection, home=home):
        return report
    readings = (report.location.at, revision.id)
    location = replace(report.location, verdict=Verdict.AMBIGUOUS, readings=readings)
    return replace(report, location=location, plan=plan(location, project.tape))


def _is_whole(report: Report) -> bool:
    return not any(runs_alone(step) for step in report.plan.steps)


def _in_one_transaction(engine: Engine, project: Project, choices: Choices) -> Report:
    def once() -> Report:
        report: Report | None = None
        start = time.monotonic()
        try:
            with (
                guarded_connection(engine) as (connection, seal),
                locked(connection, versions=project.tape.versions, patience_seconds=choices.patience_seconds),
            ):
                report = inspect_within(connection, project, choices)
                if not report.plan.steps or not _is_whole(report):
                    return report
                with seal.closing():
                    apply(report.plan.steps, connection, project, report.observation)
                after = inspect_within(connection, project)
                verify(after.location)
                report = replace(report, applied=True, seconds=time.monotonic() - start)
                return Journal(project).enter(connection, report, after)
        except (DBAPIError, *_REFUSING) as error:
            return _refused(report, error)

    report = _trying(once)
    if report.plan.steps and not report.applied:  # a table has become large since the inspection
        return _in_segments(engine, project, choices)
    return report


def _in_segments(engine: Engine, project: Project, choices: Choices) -> Report:
    versions, patience_seconds = project.tape.versions, choices.patience_seconds
    with engine.connect() as guard, locked_session(guard, versions=versions, patience_seconds=patience_seconds):
        with engine.connect() as connection:
            report = _doubting(inspect(connection, project, choices), connection, project, choices)
        if not report.plan.steps:
            return report
        journal = Journal(project)
        with journal.begun(engine, report) as entry:
            planned = segments(report.plan.steps)
            for number, segment in enumerate(planned, start=1):
                _log.info("%d of %d: %s", number, len(planned), "; ".join(str(step) for step in segment))
                try:
                    with entry.segment(segment):
                        _run_segment(engine, segment, project, report.observation)
                except (SQLAlchemyError, ReconcileError) as error:
                    return entry.failed(_failed(report, error, failed=segment, stays=entry.done))
            with engine.connect() as connection:
                after = inspect(connection, project)
            try:
                verify(after.location)
            except VerificationFailed as error:
                return entry.failed(_failed(report, error, stays=entry.done))
            return entry.finished(replace(report, applied=True), after)


def _run_segment(engine: Engine, segment: tuple[Step, ...], project: Project, observation: Observation) -> None:
    if runs_alone(segment[0]):
        with engine.connect() as connection:
            apply_alone(segment[0], connection, project, observation)
        return

    def once() -> None:
        with guarded_connection(engine) as (connection, seal):
            connection.begin()
            with seal.closing():
                apply(segment, connection, project, observation)
            if not connection.in_transaction():  # env.py has ended the transaction
                connection.begin()
            connection.commit()

    _trying(once)


def _trying(once: Callable[[], Result]) -> Result:
    """Retries while a table is locked, each time in a new transaction after a longer pause."""
    for attempt in range(TRIES_ON_BUSY_TABLE):
        try:
            return once()
        except DBAPIError as error:
            if not is_busy(error):
                raise
            time.sleep(random.uniform(0.05, 0.1) * min(2**attempt, 20))  # noqa: S311 - jitter, not a secret
    raise TableBusy(TRIES_ON_BUSY_TABLE)


def _refused(report: Report | None, error: DBAPIError | ReconcileError) -> Report:
    refusal = refusal_of(error) if isinstance(error, DBAPIError) else _refusal(error)
    if report is None or refusal is None:
        raise error
    return replace(report, plan=replace(report.plan, steps=(), refusal=refusal), applied=False)


def _failed(
    report: Report, error: SQLAlchemyError | ReconcileError, *, stays: tuple[Step, ...], failed: tuple[Step, ...] = ()
) -> Report:
    """The report of a heal that failed after its first segment had begun, with what stays committed."""
    failure = first_failure(error)
    if failure is not None:
        refusal = refusal_of(failure) or Refusal(f"PostgreSQL ended a step: {message_of(failure)}")
    else:
        refusal = _refusal(error)
    return replace(report, plan=replace(report.plan, steps=(), refusal=refusal), stays=stays, failed=failed)


def _refusal(error: SQLAlchemyError | ReconcileError) -> Refusal:
    return Refusal(str(error).rstrip("."), getattr(error, "remedies", ()))
