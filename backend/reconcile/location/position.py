"""Finds the position on the tape that fits a schema and its claimed version. Pure.

A position is exact (at a revision, or after one of its statements), or given by the last revisions that have left
objects. Where several readings remain, they are named and none is chosen, unless a person vouches for one or the rows
prove it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from ..differences.alter_statements import mend
from ..schema.schema import CONSTRAINTS, Difference, Key, Schema, tables_in
from ..tape.tape import BASE, TRACELESS, Point, Revision, Statement, Tape, play


@dataclass(frozen=True)
class Claims:
    """The claimed version: ids of our revisions, with all their ancestors, and unknown ids."""

    rows: tuple[str, ...]
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    applied: frozenset[str]
    vouched: bool

    @classmethod
    def of(cls, rows: tuple[str, ...], tape: Tape, *, vouched: bool = False) -> "Claims":
        """Sorts the rows of a version table; `vouched` is set if a person names the revision instead."""
        known = tuple(revision for revision in tape.ids if revision in rows and revision != BASE)
        unknown = tuple(row for row in rows if row not in known)
        return cls(rows, known, unknown, tape.ancestry(known), vouched)


@dataclass(frozen=True)
class Pending:
    """A half-applied revision that its own code is to finish, without the statements that are done."""

    revision: str
    done: tuple[int, ...]


@dataclass(frozen=True)
class Doubt:
    """A statement that the schema doesn't show: the index of its revision, and its position there."""

    index: int
    position: int
    statement: Statement


@dataclass(frozen=True)
class Proof:
    """A position that the rows prove: the point, the statements that are no longer in doubt, and the evidence."""

    point: Point
    settled: frozenset[tuple[int, int]]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Position:
    """The revisions `applied`, and how sure that is.

    `remaining` are the statements that a half-applied last revision has yet to run; `rerun` says that the revision
    after `applied` is half-applied and may be run again as a whole; `pending` revisions are finished by their own code.
    More than one honest reading stands in `readings`, with what they hang on in `doubts`: if all of these ran, the
    database is at `reach`. What differs from the last reading may stand in `against`. `presumed` ran if the revision,
    which isn't on record, ran in order: what it made later is there.
    """

    applied: frozenset[str]
    remaining: tuple[Statement, ...] = ()
    rerun: bool = False
    pending: tuple[Pending, ...] = ()
    readings: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    against: tuple[Difference, ...] = ()
    reach: Point | None = None
    presumed: tuple[Doubt, ...] = ()

    @property
    def is_begun(self) -> bool:
        """Whether a revision is half-applied, or may be."""
        return bool(self.remaining or self.rerun or self.pending or self.readings)

    def schema(self, tape: Tape) -> Schema:
        """The expected schema: all of the applied revisions, and what is done of pending ones."""
        schema = dict(tape.after(self.applied))
        for pending in self.pending:
            for position in pending.done:
                play(schema, tape.by_id[pending.revision].statements[position])
        return schema


def label(applied: Iterable[str], tape: Tape) -> str:
    """The name of a position: its last revisions, or `base`."""
    return ", ".join(tape.tips(frozenset(applied))) or BASE


def find_position(
    ours: Schema,
    claims: Claims,
    tape: Tape,
    *,
    ignoring: Collection[Key] = frozenset(),
    proof: Proof | None = None,
    reached: Point | None = None,
) -> Position:
    """The position of a schema on the tape; the claims count only where it leaves a choice.

    A claim whose tables are gone is the exception: then it isn't the claim that is wrong. `ignoring` are objects that
    make no difference to where it lies. As the rows prove, it has `reached` a point at least.
    """
    points = _telling(tape.points_at(ours, ignoring=ignoring), claims, tape)
    if reached is not None:
        points = tuple(point for point in points if (point.index, point.done) >= (reached.index, reached.done))
    if proof is not None:
        points = (proof.point,)
    if claims.known and not claims.unknown:  # what is on record has run: the next one may have dropped some of it
        points = tuple(point for point in points if claims.applied <= _through(point, tape)) or points
    exact = [_through(point, tape) for point in points if point.done == 0]
    if claims.known and (claims.applied in exact or is_schema_of(ours, claims.applied, tape, ignoring)):
        return Position(claims.applied)
    if claims.vouched and points and (vouched := _vouched(points, claims, tape)):
        return vouched
    gone = tables_in(tape.after(claims.applied)) - tables_in(ours) - tables_in(ignoring)
    later = any(claims.applied <= _through(point, tape) for point in points)
    if gone and not later and gone - _dropped(ours, claims, tape):
        return Position(claims.applied)  # otherwise a later revision has renamed or dropped them
    if exact:
        return _at_revision(ours, exact, points, claims, tape, ignoring=ignoring, proven=proof is not None)
    recorded = bool(points) and tape.revisions[points[0].index].id in claims.applied
    if points and not (recorded and (claims.vouched or _has_lost(points[0], claims, tape))):
        return _halfway(points, claims, tape, settled=proof.settled if proof else frozenset())
    return _nearest(ours, claims, tape)


def with_presumed(
    place: Position, claims: Claims, tape: Tape, *, missed: Collection[str], unproved: Sequence[Doubt]
) -> Position:
    """The position, with the statements of unrecorded revisions that are only presumed to have run.

    `missed` are revisions of which the rows say that it has not: they are finished by their own code. Where there is
    nothing to presume it by, and the rows say nothing, it is `unproved`.
    """
    if claims.unknown or claims.vouched or place.readings:
        return place
    begun = [revision for revision in tape.revisions if revision.id in place.applied - claims.applied]
    index = {revision.id: at for at, revision in enumerate(tape.revisions)}
    tips = tape.tips(place.applied)
    if unproved:
        before = claims.applied if claims.known else place.applied & frozenset(tape.ids[1 : unproved[0].index + 1])
        readings = (label(before, tape), label(place.applied, tape))
        return replace(place, readings=readings, doubts=tuple(unproved))
    pending = tuple(Pending(revision.id, _shown(revision)) for revision in begun if revision.id in missed)
    presumed = tuple(
        Doubt(index[revision.id], position, statement)
        for revision in begun
        if revision.id not in missed and not revision.replay_safe and not (place.remaining and revision.id in tips)
        for position, statement in enumerate(revision.statements)
        if statement.traceless
    )
    applied = place.applied - set(missed) if pending else place.applied
    return replace(place, applied=applied, pending=(*place.pending, *pending), presumed=presumed)


def may_be_unordered(doubt: Doubt, tape: Tape) -> bool:
    """Whether everything after a statement may come from `create_all` at a service's start, without the statement.

    `create_all` creates whole tables, and changes none.
    """
    later = tape.revisions[doubt.index].statements[doubt.position :]
    made = {
        key.relation
        for item in later
        for key, effect in item.effects.items()
        if key.kind == "table" and effect.before is None
    }
    return all(
        effect.before is None and (key.relation in made or key.kind in ("type", "sequence"))
        for item in later
        for key, effect in item.effects.items()
    )


def _through(point: Point, tape: Tape) -> frozenset[str]:
    """The revisions before a point, which are complete."""
    return frozenset(tape.ids[1 : point.index + 1])


def is_schema_of(ours: Schema, applied: frozenset[str], tape: Tape, ignoring: Collection[Key]) -> bool:
    expected = tape.after(applied)
    return all(expected.get(key) == ours.get(key) or key in ignoring for key in {**expected, **ours})


def _telling(points: tuple[Point, ...], claims: Claims, tape: Tape) -> tuple[Point, ...]:
    """Without the points that differ from the one before only by data statements at a revision's beginning.

    Those run in the revision's own transaction: if nothing else of it exists, they haven't run either. In a claimed
    revision a missing index is more likely lost than not created yet.
    """
    return tuple(
        point
        for point in points
        if point.done == 0
        or (
            not (point.skipped and tape.revisions[point.index].id in claims.applied)
            and any(_tells(item) for item in tape.revisions[point.index].statements[: point.done])
        )
    )


def _tells(statement: Statement) -> bool:
    return not statement.traceless and statement.kind != "boundary"


def _vouched(points: tuple[Point, ...], claims: Claims, tape: Tape) -> Position | None:
    """The position that a person vouches for where the schema is further; None where it isn't.

    What the schema shows of later revisions is done; what it doesn't show hasn't run, and is left to their own code.
    But in a half-applied revision everything before a statement that ran has run.
    """
    first = points[0]
    before = _through(first, tape)
    begun = tape.revisions[first.index] if first.done else None
    if begun is not None and begun.id in claims.applied <= before | {begun.id}:
        remaining = tuple(item for item in _after(points[-1], begun, first) if item.effects)
        if all(item.transactional and item.kind != "data" and not item.varies for item in remaining):
            return Position(before | {begun.id}, remaining=remaining)
        return None
    if not claims.applied <= before:
        return None
    rows_to_move = [
        tape.by_id[item] for item in tape.ids if item in before - claims.applied and tape.by_id[item].moves_rows
    ]
    pending = [Pending(revision.id, _shown(revision)) for revision in rows_to_move]
    if begun is not None and (not begun.completable or begun.has_settings) and not begun.replay_safe:
        pending.append(Pending(begun.id, _done(first, begun)))
    elif begun is not None:
        return None if not pending else replace(Position(before), pending=tuple(pending))
    if not pending:
        return None
    applied = before - {revision.id for revision in rows_to_move}
    return Position(applied, pending=tuple(item for item in pending if item.done))


def _after(last: Point, begun: Revision, first: Point) -> tuple[Statement, ...]:
    return first.remaining(begun) if last.index == first.index else ()


def _shown(revision: Revision) -> tuple[int, ...]:
    """The positions of the statements whose effects the schema shows."""
    return tuple(position for position, item in enumerate(revision.statements) if item.effects)


def _done(point: Point, revision: Revision) -> tuple[int, ...]:
    """The statements before a point that needn't run again; settings that later statements need have to."""
    return tuple(
        position
        for position in range(point.done)
        if position not in point.skipped
        and not revision.statements[position].is_setting
        and revision.statements[position].kind != "read"
    )


def _at_revision(
    ours: Schema,
    exact: list[frozenset[str]],
    points: tuple[Point, ...],
    claims: Claims,
    tape: Tape,
    *,
    ignoring: Collection[Key],
    proven: bool,
) -> Position:
    """The position at a matching revision; of several that differ by nothing important, the first.

    Alembic records a revision before it begins the next: after a known claim no more than one can be complete.
    """
    if claims.known and len(exact) > 1 and len(exact[0] - claims.applied) == 1 and claims.applied < exact[0]:
        exact = exact[:1]
        points = tuple(point for point in points if _through(point, tape) <= exact[0])
    on_record = claims.applied if claims.applied <= exact[-1] else frozenset()
    exact = [applied for applied in exact if on_record <= applied]
    doubts = [
        doubt
        for doubt in _between(points[0], points[-1], tape)
        if tape.revisions[doubt.index].id not in on_record
        and doubt.statement.kind not in _WITHOUT_DOUBT
        and (doubt.statement.traceless or any(_matters(key, ignoring) for key in doubt.statement.effects))
    ]
    readings = tuple(label(applied, tape) for applied in exact)
    if doubts and not claims.vouched and (len(exact) > 1 or any(doubt.statement.traceless for doubt in doubts)):
        readings = readings if len(exact) > 1 else (_before(exact[-1], tape), *readings)
        return Position(exact[-1], readings=readings, doubts=tuple(doubts), reach=points[-1])
    first = points[0]
    if first.done and tape.revisions[first.index].replay_safe:
        return _unless_moving_back(Position(_through(first, tape), rerun=True), claims, tape)
    counted = {key: text for key, text in ours.items() if key not in ignoring}
    return _unless_overtaken(
        _unless_moving_back(Position(exact[0]), claims, tape, counted), points[-1], claims, tape, proven=proven
    )


_WITHOUT_DOUBT = ("neutral", "boundary")


def _matters(key: Key, ignoring: Collection[Key]) -> bool:
    """Whether dropping and recreating an object loses something."""
    return key not in ignoring and key.kind != "index" and key.kind not in CONSTRAINTS


def _unless_overtaken(place: Position, reach: Point, claims: Claims, tape: Tape, *, proven: bool) -> Position:
    """Goes beyond a known claim only where the revisions after it move no rows, since the schema doesn't show that.

    Rows that a revision moves before it creates an existing object have been moved.
    """
    overtaken = place.applied - claims.applied
    doubts = tuple(
        Doubt(index, position, statement)
        for index, revision in enumerate(tape.revisions)
        if revision.id in overtaken and not revision.replay_safe
        for position, statement in enumerate(revision.statements)
        if statement.traceless and not any(later.effects for later in revision.statements[position:])
    )
    if not doubts or not claims.known or claims.unknown or place.readings or proven or claims.vouched:
        return place
    readings = (label(claims.applied, tape), label(place.applied, tape))
    return replace(place, readings=readings, doubts=doubts, reach=reach)


def _halfway(
    points: tuple[Point, ...], claims: Claims, tape: Tape, *, settled: frozenset[tuple[int, int]] = frozenset()
) -> Position:
    """The position after some statements of a revision, with the remaining ones where they are known."""
    first, last = points[0], points[-1]
    revision = tape.revisions[first.index]
    before = _through(first, tape)
    applied = before | {revision.id}
    if revision.replay_safe:
        return _unless_moving_back(Position(before, rerun=True), claims, tape)
    if revision.completable and not revision.has_settings:
        return _unless_moving_back(Position(applied), claims, tape)
    remaining = first.remaining(revision)
    read_before = [
        Doubt(first.index, position, item)
        for position, item in enumerate(revision.statements[: first.done])
        if item.kind == "read"
    ]
    doubts = [*read_before, *(doubt for doubt in _between(first, last, tape) if doubt.statement.traceless)]
    doubts = [doubt for doubt in doubts if (doubt.index, doubt.position) not in settled]
    known = not doubts and first.index == last.index
    safe = all(item.kind not in TRACELESS and item.transactional and not item.varies for item in remaining)
    ahead = revision.id not in claims.applied or all(item.kind in ("additive", "neutral") for item in remaining)
    if known and safe and ahead and not revision.has_settings:
        return _unless_moving_back(Position(applied, remaining=remaining), claims, tape)
    if known and revision.id not in claims.applied:
        pending = (Pending(revision.id, _done(first, revision)),)
        return _unless_overtaken(
            _unless_moving_back(Position(before, pending=pending), claims, tape),
            first,
            claims,
            tape,
            proven=bool(settled),
        )
    return Position(applied, readings=(label(before, tape), revision.id), doubts=tuple(doubts), reach=last)


def _nearest(ours: Schema, claims: Claims, tape: Tape) -> Position:
    """The position at the last revisions that have left objects; what they miss can be created, or they are claimed."""
    applied = tape.ancestry(
        revision.id
        for revision in tape.revisions
        if _is_begun(revision, ours, tape) or (revision.id in claims.applied and _has_dropped(revision, ours, tape))
    )
    for tip in tape.tips(applied):
        revision = tape.by_id[tip]
        unseen = (item for item in revision.statements if revision.moves_rows or not _has_renamed(item, ours))
        made = {key for statement in unseen for key in statement.effects}
        incomplete = any(key in made and ours.get(key) != text for key, text in tape.after(applied).items())
        if incomplete and tip not in claims.applied and not revision.completable:
            if claims.vouched and claims.applied <= applied - {tip}:
                return Position(applied - {tip}, pending=(Pending(tip, _there(revision, ours)),))
            return Position(applied, readings=(_before(applied, tape), label(applied, tape)))
    unmoved = _perhaps_never_run(applied, ours, claims, tape)
    if unmoved and claims.vouched:
        ids = {revision.id for revision in unmoved}
        return Position(applied - ids, pending=tuple(Pending(item.id, _there(item, ours)) for item in unmoved))
    if unmoved:
        return Position(applied, readings=(label(applied - {unmoved[0].id}, tape), label(applied, tape)))
    begun = None if claims.vouched else _perhaps_begun(applied, ours, tape)
    if begun is not None:
        return Position(applied, readings=(label(applied, tape), begun.id))
    return _unless_moving_back(Position(applied), claims, tape)


def _has_renamed(statement: Statement, ours: Schema) -> bool:
    """Whether a column or a table has been renamed, whatever else on it is lost since."""
    return statement.renaming is not None and statement.renaming[0] not in ours and statement.renaming[1] in ours


def _perhaps_never_run(applied: frozenset[str], ours: Schema, claims: Claims, tape: Tape) -> tuple[Revision, ...]:
    """Unrecorded revisions that miss an object which they create together with moving rows.

    The object could be created alone, but then the rows would never be moved.
    """
    end = tape.after(applied)
    return tuple(
        revision
        for revision in tape.revisions
        if revision.id in applied - claims.applied and not revision.replay_safe
        for statement in revision.statements
        if statement.kind in ("data", "opaque")
        and any(end.get(key) == effect.after != ours.get(key) for key, effect in statement.effects.items())
    )


def _there(revision: Revision, ours: Schema) -> tuple[int, ...]:
    """The positions of the statements whose effects are all visible."""
    return tuple(
        position
        for position, item in enumerate(revision.statements)
        if item.effects and all(ours.get(key) == effect.after for key, effect in item.effects.items())
    )


def _perhaps_begun(applied: frozenset[str], ours: Schema, tape: Tape) -> Revision | None:
    """The next revision, if it may have caused the differences, and may have moved rows before."""
    reached, moved, now = set(applied), False, tape.after(applied)
    for revision in tape.revisions:
        if revision.id in reached or not reached.issuperset(revision.parents):
            continue
        statements = revision.statements
        moved |= not revision.replay_safe and any(item.kind in ("data", "opaque", "read") for item in statements)
        touched = {key for item in statements for key, effect in item.effects.items() if effect.before is not None}
        if moved and any(key in now and ours.get(key) != now[key] for key in touched):
            return revision
        if not any(item.effects for item in statements):
            reached.add(revision.id)  # it leaves no trace: the next one may have begun, too
    return None


def _unless_moving_back(place: Position, claims: Claims, tape: Tape, ours: Schema | None = None) -> Position:
    """Goes back behind a claim only where running its revisions again would move and destroy nothing.

    If a person vouches for it, it holds: missing objects of its revisions are created, and no row is moved again.
    """
    undone = [tape.by_id[revision] for revision in claims.applied - place.applied]
    if all(revision.completable or revision.replay_safe for revision in undone):
        return place
    if claims.vouched:
        return Position(claims.applied)
    if ours is not None and _can_be_mended(ours, claims, tape):
        return place if _replaces(undone) else Position(claims.applied)
    return Position(place.applied, readings=(label(place.applied, tape), label(claims.applied, tape)))


def _can_be_mended(ours: Schema, claims: Claims, tape: Tape) -> bool:
    """Whether all differences from a claim can be repaired without losing anything, and nothing has yet to go."""
    promised = tape.after(claims.applied)
    differing = [Difference(key, promised.get(key), text) for key, text in ours.items() if promised.get(key) != text]
    moving = any(tape.by_id[revision].moves_rows for revision in claims.applied)
    return bool(differing) and not moving and all(mend(item) is not None for item in differing)


def _replaces(revisions: Iterable[Revision]) -> bool:
    """Whether revisions drop what holds no rows, to make it again: a view on a column can't stay while that changes."""
    dropped = {
        key.kind
        for revision in revisions
        for item in revision.statements
        for key, effect in item.effects.items()
        if effect.after is None
    }
    return bool(dropped) and dropped.issubset(("view", "function", "trigger", "policy", "rule", "index", *CONSTRAINTS))


def _is_begun(revision: Revision, ours: Schema, tape: Tape) -> bool:
    """Whether an object of this revision exists, apart from extensions, which an administrator may have created."""
    before = tape.after(tape.ancestry(revision.parents))
    after = tape.after(tape.ancestry([revision.id]))
    return any(
        key in ours
        and key.kind not in ("extension", "schema")
        and (key not in before or ours[key] == text != before[key])
        for key, text in after.items()
    )


def _has_lost(point: Point, claims: Claims, tape: Tape) -> bool:
    """Whether what is missing at a point of a recorded revision is lost rather than not made yet: others follow it."""
    revision = tape.revisions[point.index]
    makes = all(item.kind in ("additive", "neutral") for item in point.remaining(revision))
    return makes and revision.id not in tape.tips(claims.applied)


def _has_dropped(revision: Revision, ours: Schema, tape: Tape) -> bool:
    """Whether all that a revision drops is gone; one that only moves rows leaves no trace, and has nothing to drop."""
    before, after = tape.after(tape.ancestry(revision.parents)), tape.after(tape.ancestry([revision.id]))
    dropped = before.keys() - after.keys()
    makes = any(before.get(key) != text for key, text in after.items())
    return dropped.isdisjoint(ours) and (bool(dropped) or not makes)


def _dropped(ours: Schema, claims: Claims, tape: Tape) -> frozenset[str]:
    """The tables that revisions have dropped or renamed which aren't on record, and have begun."""
    return frozenset(
        key.relation
        for revision in tape.revisions
        if revision.id not in claims.applied and _is_begun(revision, ours, tape)
        for statement in revision.statements
        for key, effect in statement.effects.items()
        if key.kind == "table" and effect.after is None
    )


def _between(first: Point, last: Point, tape: Tape) -> list[Doubt]:
    """The statements between two positions on the tape, without those of revisions that may run twice."""
    doubts: list[Doubt] = []
    for index in range(first.index, min(last.index + 1, len(tape.revisions))):
        of_revision = () if tape.revisions[index].replay_safe else tape.revisions[index].statements
        start = first.done if index == first.index else 0
        end = last.done if index == last.index else len(of_revision)
        doubts += [
            Doubt(index, position, of_revision[position]) for position in range(start, min(end, len(of_revision)))
        ]
    return doubts


def _before(applied: frozenset[str], tape: Tape) -> str:
    return label(applied - set(tape.tips(applied)), tape)
