"""position: a schema, and what is claimed of it -> the place on the tape where it lies. Pure.

A place is known exactly (at a revision, or after one of its statements), or by the last revisions of which anything
is there. Where more than one honest reading is left, the readings are named and nothing is chosen, unless a person
vouches for one or the rows prove it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from reconcile.differences.repair_statements import mend
from reconcile.schema.schema import CONSTRAINTS, Key, Schema, difference, tables_in
from reconcile.tape.tape import BASE, TRACELESS, Effect, Point, Revision, Statement, Tape, play


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
class Pending:
    """A revision that has begun and is to be finished by its own code, without the statements that are done."""

    revision: str
    done: tuple[int, ...]


@dataclass(frozen=True)
class Doubt:
    """A statement of which the schema alone can't tell whether it ran: the revision's index, and its position there."""

    index: int
    position: int
    statement: Statement


@dataclass(frozen=True)
class Proof:
    """Where the rows prove a database to be: the point, the statements that are no longer in doubt, what was seen."""

    point: Point
    settled: frozenset[tuple[int, int]]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Position:
    """The revisions `applied`, and how sure that is.

    `remaining` are the statements that a half-applied last revision has yet to run; `rerun` says that the revision
    after `applied` is half-applied and may be run again as a whole; `pending` revisions are finished by their own code.
    More than one honest reading stands in `readings`, with what they hang on in `doubts`: if all of these ran, the
    database is at `reach`. `presumed` ran if the revision, which isn't on record, ran in order: what it made later is
    there.
    """

    applied: frozenset[str]
    remaining: tuple[Statement, ...] = ()
    rerun: bool = False
    pending: tuple[Pending, ...] = ()
    readings: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    reach: Point | None = None
    presumed: tuple[Doubt, ...] = ()

    def schema(self, tape: Tape) -> Schema:
        """What has to be there: all of the applied revisions, and of pending ones what is done."""
        schema = dict(tape.after(self.applied))
        for pending in self.pending:
            for position in pending.done:
                play(schema, tape.by_id[pending.revision].statements[position])
        return schema


def label(applied: Iterable[str], tape: Tape) -> str:
    """How a place is called: by the last of its revisions, or `base`."""
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
    """Where a schema lies on the tape, heeding the claims only where it leaves a choice.

    A claim whose tables are gone is the exception: then it isn't the claim that is wrong. `ignoring` are objects that
    make no difference to where it lies. As the rows prove, it has `reached` a point at least.
    """
    points = _telling(tape.points_at(ours, ignoring=ignoring), claims, tape)
    if reached is not None:
        points = tuple(point for point in points if (point.index, point.done) >= (reached.index, reached.done))
    if proof is not None:
        points = (proof.point,)
    exact = [_through(point, tape) for point in points if point.done == 0]
    if claims.known and (claims.applied in exact or _fits(ours, claims.applied, tape, ignoring)):
        return Position(claims.applied)
    if claims.vouched and points and (vouched := _vouched(points, claims, tape)):
        return vouched
    gone = tables_in(tape.after(claims.applied)) - tables_in(ours) - tables_in(ignoring)
    if gone and not any(claims.applied <= _through(point, tape) for point in points):
        return Position(claims.applied)  # else a later revision renamed or dropped them
    if exact:
        return _at_revision(ours, exact, points, claims, tape, ignoring=ignoring, proven=proof is not None)
    if points and not (claims.vouched and tape.revisions[points[0].index].id in claims.applied):
        return _halfway(points, claims, tape, settled=proof.settled if proof else frozenset())
    return _nearest(ours, claims, tape)


def with_presumed(
    place: Position, claims: Claims, tape: Tape, *, missed: Collection[str], unproved: Sequence[Doubt]
) -> Position:
    """The place, with what is only presumed to have run of revisions that aren't on record.

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
    """Whether all that stands behind a statement may have been made without it: by `create_all`, when a service began.

    That makes tables with what lies on them, and changes none.
    """
    later = tape.revisions[doubt.index].statements[doubt.position :]
    made = {key.relation for item in later for key, effect in item.effects.items() if _makes_table(key, effect)}
    return all(
        effect.before is None and (key.relation in made or key.kind in ("type", "sequence"))
        for item in later
        for key, effect in item.effects.items()
    )


def _makes_table(key: Key, effect: Effect) -> bool:
    return key.kind == "table" and effect.before is None


def _through(point: Point, tape: Tape) -> frozenset[str]:
    """The revisions before a point, all of them whole."""
    return frozenset(tape.ids[1 : point.index + 1])


def _fits(ours: Schema, applied: frozenset[str], tape: Tape, ignoring: Collection[Key]) -> bool:
    expected = tape.after(applied)
    return all(expected.get(key) == ours.get(key) or key in ignoring for key in {**expected, **ours})


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
            and any(_tells(item) for item in tape.revisions[point.index].statements[: point.done])
        )
    )


def _tells(statement: Statement) -> bool:
    return not statement.traceless and statement.kind != "boundary"


def _vouched(points: tuple[Point, ...], claims: Claims, tape: Tape) -> Position | None:
    """Where a person says that it is, though the schema has got further: None where it has not.

    What the schema shows of later revisions is done. What it doesn't show of them has not run, and is left to their
    own code; but in the revision that is half there, what lies before a statement that ran has run.
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
    """The positions of the statements that the schema shows to have run."""
    return tuple(position for position, item in enumerate(revision.statements) if item.effects)


def _done(point: Point, revision: Revision) -> tuple[int, ...]:
    """What ran before a point and need not run again; what holds for the statements behind it has to."""
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
    """At a revision that fits. Of several, which differ by nothing that matters twice, the first.

    Alembic puts a revision on record before it begins the next: behind a known claim no more than one can be whole.
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
    return _unless_overtaken(
        _unless_moving_back(Position(exact[0]), claims, tape, ours), points[-1], claims, tape, proven=proven
    )


_WITHOUT_DOUBT = ("neutral", "boundary")


def _matters(key: Key, ignoring: Collection[Key]) -> bool:
    """Whether something is lost where an object is dropped and made again."""
    return key not in ignoring and key.kind != "index" and key.kind not in CONSTRAINTS


def _unless_overtaken(place: Position, reach: Point, claims: Claims, tape: Tape, *, proven: bool) -> Position:
    """A known claim may only be left behind where the revisions after it move no rows: the schema doesn't show that.

    What a revision moved before it made something that is there, it has moved.
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
    """After some statements of a revision: what remains of it can run, where that is known."""
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
    """At the last revisions of which anything is there; what is missing of them can be made, or they were claimed."""
    applied = tape.ancestry(revision.id for revision in tape.revisions if _is_begun(revision, ours, tape))
    for tip in tape.tips(applied):
        revision = tape.by_id[tip]
        made = {key for statement in revision.statements for key in statement.effects}
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


def _perhaps_never_run(applied: frozenset[str], ours: Schema, claims: Claims, tape: Tape) -> tuple[Revision, ...]:
    """Revisions that aren't on record, and miss something that was made together with rows that it moved.

    What is missing could be made by itself; but then nobody would ever move the rows.
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
    """The positions of the statements all of whose effects can be seen."""
    return tuple(
        position
        for position, item in enumerate(revision.statements)
        if item.effects and all(ours.get(key) == effect.after for key, effect in item.effects.items())
    )


def _perhaps_begun(applied: frozenset[str], ours: Schema, tape: Tape) -> Revision | None:
    """The next revision, where what is missing or differs may be its doing, and rows may have been moved by then."""
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
            reached.add(revision.id)  # it leaves no trace: the one after it may have begun as well
    return None


def _unless_moving_back(place: Position, claims: Claims, tape: Tape, ours: Schema | None = None) -> Position:
    """A claim may only be taken back where running its revisions again would move and destroy nothing.

    Where a person vouches for it, it holds: what is missing of its revisions is made, and no row moved again.
    """
    undone = [tape.by_id[revision] for revision in claims.applied - place.applied]
    if all(revision.completable or revision.replay_safe for revision in undone):
        return place
    if claims.vouched or (ours is not None and _can_be_mended(ours, claims, tape)):
        return Position(claims.applied)
    return Position(place.applied, readings=(label(place.applied, tape), label(claims.applied, tape)))


def _can_be_mended(ours: Schema, claims: Claims, tape: Tape) -> bool:
    """Whether all that a claim says and the schema doesn't have can be put right without losing anything."""
    differing = [item for item in difference(tape.after(claims.applied), ours) if item.actual is not None]
    moving = any(tape.by_id[revision].moves_rows for revision in claims.applied)
    return bool(differing) and not moving and all(mend(item) is not None for item in differing)


def _is_begun(revision: Revision, ours: Schema, tape: Tape) -> bool:
    """Whether anything is there that this revision makes; an extension may have been made by an administrator."""
    before = tape.after(tape.ancestry(revision.parents))
    after = tape.after(tape.ancestry([revision.id]))
    return any(
        key in ours
        and key.kind not in ("extension", "schema")
        and (key not in before or ours[key] == text != before[key])
        for key, text in after.items()
    )


def _between(first: Point, last: Point, tape: Tape) -> list[Doubt]:
    """The statements from one place on the tape to another, but for those of revisions that may run twice."""
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
