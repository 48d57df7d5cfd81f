"""proof: what the rows say about the statements of which the schema can't tell whether they ran.

The statements of a revision run in order. So what lies before one that ran has run, and what lies behind one that has
not, has not. Where a single one in between stays in doubt, nothing is proved and nothing is chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection

from reconcile.evidence.examine import examine, examine_read
from reconcile.evidence.finding import Finding
from reconcile.location.locate import Location
from reconcile.location.position import Doubt, Proof, may_be_unordered
from reconcile.tape.tape import Point, Revision, Tape

Findings: TypeAlias = Sequence[Finding | None]  # one of each doubt


def examine_doubts(location: Location, connection: Connection, tape: Tape) -> Findings:
    """What the rows say of each statement that an ambiguous place hangs on."""
    if location.reach is None:
        return ()
    findings = [_finding(doubt, connection, tape, reach=location.reach) for doubt in location.doubts]
    if not any(row in tape.by_id for row in location.believed):  # rows may be gone of a revision that ran years ago
        findings = [None if finding is None or finding.ran is False else finding for finding in findings]
    return findings


def prove(location: Location, findings: Findings, tape: Tape) -> Proof | None:
    """Where the rows prove an ambiguous database to be, or None where they leave a doubt."""
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
    """The place behind the last statement that ran, as the rows prove; what follows stays in doubt."""
    ran = _last_that_ran(location, findings, tape) if findings else -1
    return Point(location.doubts[ran].index, location.doubts[ran].position + 1) if ran >= 0 else None


def _last_that_ran(location: Location, findings: Findings, tape: Tape) -> int:
    """The last statement that the rows prove to have run, and with it all before it; -1 where there is none.

    Somebody else may have put the same rows into a table that `create_all` made. So behind a statement that neither its
    own rows nor the schema tell of, rows alone prove nothing.
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
    """What the rows say of statements that are presumed to have run.

    `missed` are the revisions that have not, `unproved` the statements of which neither the rows nor what stands behind
    them tell, `sentences` what was seen where only that tells.
    """

    missed: frozenset[str]
    unproved: tuple[Doubt, ...]
    sentences: tuple[str, ...]


def examine_presumed(location: Location, connection: Connection, tape: Tape) -> Presumed:
    """Asks the rows of what is presumed to have run.

    What a revision made behind a statement tells, unless that may have come to be without the revision, as it may where
    no revision is on record. Without one, rows that are missing may have been there.
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
    """What the rows say of a statement; nothing behind `reach` has run."""
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
    """The tables and the columns that a revision made before one of its statements."""
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
