"""place: a schema, and what is claimed of it -> the place on the tape where it lies. Pure.

A place is known exactly (at a revision, or after one of its statements), or by the last revisions of which anything
is there. Where more than one honest reading is left, the readings are named and nothing is chosen.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from reconcile.schema import Schema, tables_in
from reconcile.tape import BASE, Point, Revision, Statement, Tape


@dataclass(frozen=True)
class Claims:
    """What is believed of the version: ids of ours, with all that they follow, and ids that nobody here knows."""

    rows: tuple[str, ...]
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    applied: frozenset[str]
    vouched: bool

    @classmethod
    def of(cls, rows: tuple[str, ...], tape: Tape, *, vouched: bool = False) -> "Claims":
        """Tells the rows of a version table apart; `vouched` is set when a person names the revision instead."""
        known = tuple(revision for revision in tape.ids if revision in rows and revision != BASE)
        unknown = tuple(row for row in rows if row not in known)
        return cls(rows, known, unknown, tape.ancestry(known), vouched)


@dataclass(frozen=True)
class Place:
    """The revisions `applied`, and how sure that is.

    `remaining` are the statements that a half-applied last revision has yet to run; `rerun` says that the revision
    after `applied` is half-applied and may be run again as a whole. More than one honest reading stands in `readings`.
    """

    applied: frozenset[str]
    remaining: tuple[Statement, ...] = ()
    rerun: bool = False
    readings: tuple[str, ...] = ()


def label(applied: Iterable[str], tape: Tape) -> str:
    """How a place is called: by the last of its revisions, or `base`."""
    return ", ".join(tape.tips(frozenset(applied))) or BASE


def find_place(ours: Schema, claims: Claims, tape: Tape) -> Place:
    """Where a schema lies on the tape, heeding the claims only where it leaves a choice.

    A claim whose tables are gone is the exception: then it isn't the claim that is wrong.
    """
    points = _telling(tape.points_at(ours), claims, tape)
    gone = tables_in(tape.after(claims.applied)) - tables_in(ours)
    if gone and not any(claims.applied <= set(tape.ids[1 : point.index + 1]) for point in points):
        return Place(claims.applied)  # else a later revision renamed or dropped them
    exact = [frozenset(tape.ids[1 : point.index + 1]) for point in points if point.done == 0]
    if claims.known and (claims.applied in exact or tape.after(claims.applied) == ours):
        return Place(claims.applied)
    if exact:
        return _at_revision(exact, points, claims, tape)
    if points and not (claims.vouched and tape.revisions[points[0].index].id in claims.applied):
        return _halfway(points, claims, tape)
    return _nearest(ours, claims, tape)


def _telling(points: tuple[Point, ...], claims: Claims, tape: Tape) -> tuple[Point, ...]:
    """Without the places that only data statements at a revision's beginning set apart from the one before it.

    Those run in the revision's own transaction: where nothing else of it is there, they aren't either. Of a revision
    that is claimed, an index in the middle is more likely lost than not yet made.
    """
    return tuple(
        point
        for point in points
        if point.done == 0
        or (
            not (point.skipped and tape.revisions[point.index].id in claims.applied)
            and not all(item.traceless for item in tape.revisions[point.index].statements[: point.done])
        )
    )


def _at_revision(exact: list[frozenset[str]], points: tuple[Point, ...], claims: Claims, tape: Tape) -> Place:
    """At a revision that fits. Of several, which differ by nothing that matters twice, the first."""
    doubtful = [item for item in _between(points[0], points[-1], tape) if item.kind != "neutral"]
    readings = tuple(label(applied, tape) for applied in exact)
    if doubtful and (len(exact) > 1 or any(item.traceless for item in doubtful)):
        return Place(exact[-1], readings=readings if len(exact) > 1 else (_before(exact[-1], tape), *readings))
    first = points[0]
    if first.done and tape.revisions[first.index].replay_safe:
        return _unless_moving_back(Place(frozenset(tape.ids[1 : first.index + 1]), rerun=True), claims, tape)
    return _unless_moving_back(Place(exact[0]), claims, tape)


def _halfway(points: tuple[Point, ...], claims: Claims, tape: Tape) -> Place:
    """After some statements of a revision: what remains of it can run, where that is known and moves no rows."""
    first, last = points[0], points[-1]
    revision = tape.revisions[first.index]
    before = frozenset(tape.ids[1 : first.index + 1])
    applied = before | {revision.id}
    if revision.replay_safe:
        return _unless_moving_back(Place(before, rerun=True), claims, tape)
    if revision.completable:
        return _unless_moving_back(Place(applied), claims, tape)
    remaining = first.remaining(revision)
    known = first.index == last.index and not any(item.traceless for item in _between(first, last, tape))
    safe = all(item.kind not in ("data", "opaque") and item.transactional for item in remaining)
    ahead = revision.id not in claims.applied or all(item.kind in ("additive", "neutral") for item in remaining)
    if known and safe and ahead and not revision.reads:
        return _unless_moving_back(Place(applied, remaining=remaining), claims, tape)
    return Place(applied, readings=(label(before, tape), revision.id))


def _nearest(ours: Schema, claims: Claims, tape: Tape) -> Place:
    """At the last revisions of which anything is there; what is missing of them can be made, or they were claimed."""
    applied = tape.ancestry(revision.id for revision in tape.revisions if _is_begun(revision, ours, tape))
    for tip in tape.tips(applied):
        revision = tape.by_id[tip]
        made = {key for statement in revision.statements for key in statement.effects}
        incomplete = any(key in made and ours.get(key) != text for key, text in tape.after(applied).items())
        if incomplete and tip not in claims.applied and not revision.completable:
            return Place(applied, readings=(_before(applied, tape), label(applied, tape)))
    begun = None if claims.vouched else _perhaps_begun(applied, ours, tape)
    if begun is not None:
        return Place(applied, readings=(label(applied, tape), begun.id))
    return _unless_moving_back(Place(applied), claims, tape)


def _perhaps_begun(applied: frozenset[str], ours: Schema, tape: Tape) -> Revision | None:
    """The next revision, where what is missing or differs may be its doing, and rows may have been moved by then."""
    reached, moved, now = set(applied), False, tape.after(applied)
    for revision in tape.revisions:
        if revision.id in reached or not reached.issuperset(revision.parents):
            continue
        statements = revision.statements
        moved |= not revision.replay_safe and any(item.kind in ("data", "opaque") for item in statements)
        touched = {key for item in statements for key, effect in item.effects.items() if effect.before is not None}
        if moved and any(key in now and ours.get(key) != now[key] for key in touched):
            return revision
        if not any(item.effects for item in statements):
            reached.add(revision.id)  # it leaves no trace: the one after it may have begun as well
    return None


def _unless_moving_back(place: Place, claims: Claims, tape: Tape) -> Place:
    """A claim may only be taken back where running its revisions again would move and destroy nothing.

    Where a person vouches for it, it holds: what is missing of its revisions is made, and no row moved again.
    """
    undone = [tape.by_id[revision] for revision in claims.applied - place.applied]
    if all(revision.completable or revision.replay_safe for revision in undone):
        return place
    if claims.vouched:
        return Place(claims.applied)
    return Place(place.applied, readings=(label(place.applied, tape), label(claims.applied, tape)))


def _is_begun(revision: Revision, ours: Schema, tape: Tape) -> bool:
    before = tape.after(tape.ancestry(revision.parents))
    after = tape.after(tape.ancestry([revision.id]))
    return any(key in ours and (key not in before or ours[key] == text != before[key]) for key, text in after.items())


def _between(first: Point, last: Point, tape: Tape) -> list[Statement]:
    """The statements from one place on the tape to another, but for those of revisions that may run twice."""
    statements: list[Statement] = []
    for index in range(first.index, min(last.index + 1, len(tape.revisions))):
        of_revision = () if tape.revisions[index].replay_safe else tape.revisions[index].statements
        start = first.done if index == first.index else 0
        end = last.done if index == last.index else len(of_revision)
        statements += of_revision[start:end]
    return statements


def _before(applied: frozenset[str], tape: Tape) -> str:
    return label(applied - set(tape.tips(applied)), tape)
