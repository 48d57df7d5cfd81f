"""Proves a position by the rows, where the schema doesn't show whether statements ran.

The statements of a revision run in order: all before one that ran have run, and all after one that hasn't run haven't.
If a single statement in between stays in doubt, nothing is proved and no position is chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection

from ..evidence.examine import examine, examine_read
from ..evidence.finding import Finding
from ..tape.tape import Point, Revision, Tape
from .locate import Location
from .position import Doubt, Proof, may_be_unordered

Findings: TypeAlias = Sequence[Finding | None]  # one for each doubt


def examine_doubts(location: Location, connection: Connection, tape: Tape) -> Findings:
    """Examines the rows for each statement that an ambiguous position depends on."""
    if location.reach is None:
        return ()
    findings = [_finding(doubt, connection, tape, reach=location.reach) for doubt in location.doubts]
    if not any(row in tape.by_id for row in location.believed):  # rows of a revision that ran years ago may be deleted
        findings = [None if finding is None or finding.ran is False else finding for finding in findings]
    return findings


def prove(location: Location, findings: Findings, tape: Tape) -> Proof | None:
    """The position that the rows prove, or None where they leave a doubt."""
    doubts = location.doubts
    if not findings or location.reach is None:
        return None
    for at in range(_last_that_ran(location, findings, tape) + 1, len(doubts)):
        finding = findings[at]
        if finding is None:
            return None
        if finding.ran is False:
            return _proof(Point(doubts[at].index, doubts[at].position), doubts, findings)
    return _proof(location.reach, doubts, findings)


def proved_so_far(location: Location, findings: Findings, tape: Tape) -> Point | None:
    """The position after the last statement that provably ran; the following ones stay in doubt."""
    ran = _last_that_ran(location, findings, tape) if findings else -1
    return Point(location.doubts[ran].index, location.doubts[ran].position + 1) if ran >= 0 else None


def _last_that_ran(location: Location, findings: Findings, tape: Tape) -> int:
    """The last statement that the rows prove to have run, and with it all before; -1 where there is none.

    Somebody else may have inserted the same rows into a table that `create_all` created. So after a statement that
    neither its own rows nor the schema prove, rows alone prove nothing.
    """
    last = -1
    for at, (doubt, finding) in enumerate(zip(location.doubts, findings, strict=True)):
        if finding is not None and finding.ran:
            last = at
        elif finding is None and may_be_unordered(doubt, tape):
            break
    return last


@dataclass(frozen=True)
class Presumed:
    """The evidence about statements that are presumed to have run.

    `missed` are the revisions that have not, `unproved` the statements of which neither the rows nor what stands behind
    them tell, `sentences` what was seen where only that tells.
    """

    missed: frozenset[str]
    unproved: tuple[Doubt, ...]
    sentences: tuple[str, ...]


def examine_presumed(location: Location, connection: Connection, tape: Tape) -> Presumed:
    """Examines the rows for statements that are presumed to have run.

    An object that the revision creates after a statement proves it too, unless the object may exist without the
    revision, as it may if no revision is recorded. Then missing rows may have existed, too.
    """
    on_record = any(row in tape.by_id for row in location.believed)
    settled = location.proof.settled if location.proof else frozenset()
    doubts = [item for item in location.presumed if (item.index, item.position) not in settled]
    findings = [(doubt, _finding(doubt, connection, tape)) for doubt in doubts]
    missed = frozenset(
        tape.revisions[doubt.index].id for doubt, finding in findings if finding and finding.ran is False
    )
    weak = [(doubt, finding) for doubt, finding in findings if not on_record or may_be_unordered(doubt, tape)]
    return Presumed(
        missed=missed if on_record else frozenset(),
        unproved=tuple(doubt for doubt, finding in weak if finding is None or (finding.ran is False and not on_record)),
        sentences=tuple(dict.fromkeys(finding.sentence for _, finding in weak if finding is not None)),
    )


def _proof(point: Point, doubts: Sequence[Doubt], findings: Sequence[Finding | None]) -> Proof:
    settled = frozenset((doubt.index, doubt.position) for doubt in doubts)
    sentences = tuple(dict.fromkeys(finding.sentence for finding in findings if finding is not None))
    return Proof(point, settled, sentences)


def _finding(doubt: Doubt, connection: Connection, tape: Tape, *, reach: Point | None = None) -> Finding | None:
    """The finding about a statement; no statement after `reach` has run."""
    statement, revision = doubt.statement, tape.revisions[doubt.index]
    end = reach.done if reach is not None and reach.index == doubt.index else len(revision.statements)
    if statement.kind == "read":
        return examine_read(connection, statement.tables) if statement.tables else None
    if statement.kind != "data" or statement.varies:
        return None
    tables, columns = _made_before(revision, doubt.position)
    earlier = [item.sql for item in revision.statements[: doubt.position]]
    later = [item.sql for item in revision.statements[doubt.position + 1 : end]]
    return examine(
        connection, statement.sql, created_tables=tables, added_columns=columns, earlier=earlier, later=later
    )


def _made_before(revision: Revision, position: int) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """The tables and columns that a revision creates before one of its statements."""
    made = [
        key
        for statement in revision.statements[:position]
        for key, effect in statement.effects.items()
        if effect.before is None
    ]
    tables = frozenset(key.relation for key in made if key.kind == "table")
    return tables, frozenset(
        (key.relation, key.name) for key in made if key.kind == "column" and key.relation not in tables
    )
