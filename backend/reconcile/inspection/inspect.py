"""Observes, locates and plans: where a database is, and what a heal would do. It changes nothing."""

from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from ..alembic_bridge.lock import PATIENCE_SECONDS
from ..differences.normalize import Normalized, normalize
from ..differences.spelling import Speller
from ..location.locate import Location, Verdict, locate
from ..location.proof import Findings, examine_doubts, examine_presumed, prove, proved_so_far
from ..observation.observe import Observation, has_others, observe
from ..planning.plan import plan
from ..planning.report import Report
from ..schema.schema import Difference
from ..tape.project import Project, vouched_by_revision
from .acceptance import as_accepted, differences_of, made_by_models
from .probe import probed
from .table_sizes import large_tables

ROW_LIMIT = 100_000


@dataclass(frozen=True)
class Choices:
    """The choices of a person, with the defaults for a server's start.

    `assume` is the position that they vouch for where the schema leaves a choice: a revision, or several of branches
    with ", " between them. Tables with more than `row_limit` rows are large: indexes on them are built concurrently,
    and heavier work on them needs `consent`.
    """

    assume: str | None = None
    row_limit: int = ROW_LIMIT
    consent: bool = False
    patience_seconds: float = PATIENCE_SECONDS


DEFAULTS = Choices()


def inspect(connection: Connection, project: Project, choices: Choices = DEFAULTS) -> Report:
    """Reports where the database is and what a heal would do, in a transaction of its own, without a lock."""
    with connection.begin() as transaction:
        report = inspect_within(connection, project, choices)
        transaction.rollback()
    return report


def inspect_within(connection: Connection, project: Project, choices: Choices = DEFAULTS) -> Report:
    """The same in the caller's transaction, whose search path it pins."""
    tape = project.tape
    observation = observe(
        connection, versions=tape.versions, schema=tape.schema, schemas=tape.schemas, names=tape.names
    )
    location, accepted = _locate(connection, observation, project, choices)
    large = frozenset[str]()
    if location.verdict is not Verdict.CURRENT:
        large = large_tables(connection, tape, observation.schema, row_limit=choices.row_limit)
    decided = plan(location, tape, large=large, consent=choices.consent)
    return Report(location, decided, tape, observation, accepted=accepted)


def _locate(
    connection: Connection, observation: Observation, project: Project, choices: Choices
) -> tuple[Location, tuple[Difference, ...]]:
    """The location, and what differs there and is known to be fine."""
    tape = project.tape
    speller = Speller(connection, observation, tape)
    words = normalize(observation, tape, spell=speller)
    if speller.note:
        words = replace(words, notes=(*words.notes, speller.note))
    by_models = made_by_models(observation, words, tape)
    seen = as_accepted(observation, words, by_models) if by_models else (observation, words)
    location = _decided(connection, *seen, project, choices)
    accepted = project.accepted_of(differences_of(location))
    if accepted:
        location = _decided(connection, *as_accepted(*seen, accepted), project, choices)
    return probed(location, connection, project), (*by_models, *accepted)


def _decided(
    connection: Connection, observation: Observation, words: Normalized, project: Project, choices: Choices
) -> Location:
    """The location; where the schema leaves a choice, the server, the revisions' `verify` and the rows decide."""
    tape = project.tape
    strange = any(row not in tape.by_id for row in observation.claimed or ())
    shared = strange and has_others(connection, observation, tape.tables)
    ask = partial(locate, observation, tape, words=words, shared=shared)
    location = ask()
    findings: Findings = ()
    if location.verdict is Verdict.AMBIGUOUS:
        findings = examine_doubts(location, connection, tape)
    reached = proved_so_far(location, findings, tape)
    if choices.assume is not None:
        return ask(assume=choices.assume, reached=reached)
    if location.verdict is Verdict.AMBIGUOUS:
        vouched = vouched_by_revision(location.readings, connection, project)
        proof = prove(location, findings, tape)
        location = ask(assume=vouched, proof=None if vouched else proof, reached=reached)
    rows = examine_presumed(location, connection, tape)
    if rows.missed or rows.unproved:
        location = ask(missed=rows.missed, unproved=rows.unproved)
    return replace(location, seen=rows.sentences)
