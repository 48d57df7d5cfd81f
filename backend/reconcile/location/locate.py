"""Locates an observed database on the tape, and gives the verdict. Pure: it needs no connection.

`alembic_version` is a claim to be tested: the schema decides, and the claim counts only where the schema leaves a
choice.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ..alembic_bridge.version_table import widening
from ..differences.alter_statements import ELSEWHERE, PARTITIONED, RELATIONS, UNPOPULATED, mend
from ..differences.normalize import Normalized, Renaming, normalize
from ..differences.promotion import Promotion, promotions_of
from ..observation.observe import Observation
from ..observation.severity import Severity, is_undecided, severity_of_others, severity_of_ours
from ..schema.compatibility import is_divided, sets_path
from ..schema.schema import CONSTRAINTS, INVALID, Difference, Key, Schema, table_key, tables_in
from ..tape.tape import BASE, Point, Statement, Tape
from .name_collisions import NameCollision, name_collisions, others_of
from .position import Claims, Doubt, Pending, Position, Proof, find_position, is_schema_of, label, with_presumed
from .substitutes import substitute

UNENFORCED_BY_TRIGGERS = "disabled"


class Verdict(StrEnum):
    """The state of a database; the first one that applies is given."""

    UNREADABLE = "unreadable"
    CURRENT = "current"
    AHEAD = "ahead"
    DRIFTED = "drifted"
    AMBIGUOUS = "ambiguous"
    EMPTY = "empty"
    BEHIND = "behind"
    ADOPTED = "adopted"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Location:
    """Where a database is: at the revisions `applied`, apart from what is `missing` and `differing`.

    `claimed` is what the version table says; `believed` is the same, or what a person vouched for instead.
    `remaining` are the statements of a half-applied revision that haven't run, where that is known; `rerun` says that
    the half-applied revision after these may run again as a whole; `pending` ones are finished by their own code.
    `extra` are objects on our tables that aren't on the tape; `rejecting` are those that surely make a write fail,
    `undecided` those where the catalogs don't tell. `tolerated` are differences that prevent no work, and either can't
    be repaired without a person or needn't be. `unpopulated` are materialized views that the chain fills, and that
    can't be read. `unenforced` are foreign keys whose triggers are disabled, `promotions` unique indexes of others that
    become a missing constraint. `renamed` pairs a missing column with an extra one that may be it.
    `fitting` are the revisions that make this schema exactly, where tables of the recorded one are missing.
    `readings` are the revisions that an ambiguous database may be at, `doubts` the statements on which that depends,
    `against` what differs from the last of them, `proof` the evidence that decided it, `seen` what the rows show of
    revisions that aren't recorded.
    `strangers` are recorded ids of another chain, which stay: this chain has nothing here, or a row of its own.
    `name_collisions` are others' tables with the names of ours.
    `words` is the normalized observation, `details` are observed properties that aren't compared.
    """

    verdict: Verdict
    at: str
    applied: frozenset[str]
    claimed: tuple[str, ...] | None
    believed: tuple[str, ...]
    missing: tuple[Difference, ...] = ()
    differing: tuple[Difference, ...] = ()
    remaining: tuple[Statement, ...] = ()
    rerun: bool = False
    pending: tuple[Pending, ...] = ()
    extra: tuple[Difference, ...] = ()
    rejecting: tuple[Difference, ...] = ()
    undecided: tuple[Difference, ...] = ()
    tolerated: tuple[Difference, ...] = ()
    unpopulated: tuple[Difference, ...] = ()
    unenforced: tuple[Key, ...] = ()
    promotions: tuple[Promotion, ...] = ()
    renamed: tuple[tuple[Difference, Difference], ...] = ()
    fitting: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    against: tuple[Difference, ...] = ()
    presumed: tuple[Doubt, ...] = ()
    reach: Point | None = None
    proof: Proof | None = None
    seen: tuple[str, ...] = ()
    words: Normalized = field(default_factory=lambda: Normalized({}))
    details: Mapping[Key, str] = field(default_factory=dict)
    widening: str | None = None
    strangers: tuple[str, ...] = ()
    name_collisions: tuple[NameCollision, ...] = ()

    @property
    def renamings(self) -> tuple[Renaming, ...]:
        """The constraints that get the chain's names, without those of tables that the chain has dropped."""
        left_over = tables_in(item.key for item in self.tolerated if item.expected is None)
        return tuple(item for item in self.words.renamings if item.expected.relation not in left_over)

    @property
    def breaking(self) -> tuple[Difference, ...]:
        """The differences with which this code can't work on the database."""
        ours = (*self.missing, *self.differing)
        return (*(item for item in ours if severity_of_ours(item) is Severity.BREAKING), *self.rejecting)


def locate(
    observation: Observation,
    tape: Tape,
    *,
    assume: str | None = None,
    words: Normalized | None = None,
    proof: Proof | None = None,
    shared: bool = False,
    missed: frozenset[str] = frozenset(),
    unproved: tuple[Doubt, ...] = (),
    reached: Point | None = None,
) -> Location:
    """Locates the observed database on the tape, with the verdict.

    `assume` is a position that a person vouches for, named as by `label`, instead of the recorded version; `proof` is
    the evidence of the rows. `words` is the normalized observation, if the server was asked for its spelling. `shared`
    is set if others have tables beside ours: an unknown id may be theirs. `missed` are revisions whose rows provably
    weren't moved, although objects that they create later exist; `unproved` are statements of such revisions without
    evidence. `reached` is a point that the database has passed, as the rows prove.
    """
    words = words or normalize(observation, tape)
    believed = observation.claimed or ()
    if assume is not None:
        believed = () if assume == BASE else tuple(assume.split(", "))
    claims = Claims.of(believed, tape, vouched=assume is not None)
    ignoring = _ignored(words.ours, claims, tape)
    ahead = _types_ahead(words.ours, claims, tape, ignoring=ignoring)
    ignoring |= ahead
    words = replace(words, notes=(*words.notes, *(f"{key} is there before a revision makes it" for key in ahead)))
    words, stand_ins = substitute(words, observation.schema, claims, tape, ignoring=ignoring)
    position = find_position(words.ours, claims, tape, ignoring=ignoring, proof=proof, reached=reached)
    position = with_presumed(position, claims, tape, missed=missed, unproved=unproved)
    position = _with_against(position, words.ours, observation, claims, tape, ignoring=ignoring)
    expected = {key: text for key, text in position.schema(tape).items() if key not in ignoring}
    ours = {key: text for key, text in words.ours.items() if key not in ignoring}
    recorded = {**tape.end, **expected}
    ended = position.applied <= claims.applied  # existing objects that the chain has dropped are somebody else's
    missing, differing, tolerated, left_alone = _apart(expected, ours, observation, recorded, ended=ended)
    lost_tables = tables_in(item.key for item in missing)
    fitting = _fitting(words.ours, tape, ignoring=ignoring) if lost_tables else ()
    position = _with_undone(position, (*missing, *differing, *left_alone), claims, tape, fitting=fitting)
    tolerated += left_alone
    extra = tuple(item for item in others_on(tape, observation, words) if item.key.relation not in tables_in(ignoring))
    unpopulated = tuple(
        Difference(key, "populated", UNPOPULATED)
        for key in expected
        if observation.details.get(key) == UNPOPULATED and key not in tape.unpopulated
    )
    promotions = tuple(promotions_of(missing, extra))
    extra = tuple(item for item in extra if item.key not in {promotion.index for promotion in promotions})
    rejecting = tuple(item for item in extra if severity_of_others(item, observation, recorded) is Severity.BREAKING)
    promised = tape.after(claims.applied)
    renamed = (
        *_renamed({**({} if claims.applied <= position.applied else promised), **expected}, words.ours, extra),
        *(() if position.is_begun else _not_renamed(missing, ours, expected, tape)),
    )
    tips = tuple(sorted(tape.tips(position.applied)))
    others = tuple(name_collisions(observation.schema, claims, tape))
    strangers = _strangers(observation.claimed or (), position.applied, tape, shared=shared)

    def judge() -> Verdict:
        sound = not (missing or differing or unpopulated or position.pending or words.relabellings)
        if sound and tips == observation.claimed == tape.heads and not rejecting and not position.readings:
            return Verdict.CURRENT
        if len(claims.unknown) == len(claims.rows) == 1 and _has_all(tape.end, words.ours, observation, recorded):
            return Verdict.AHEAD
        if strangers and assume is not None:
            return Verdict.AMBIGUOUS
        if others or rejecting or renamed or (differing and not position.is_begun):
            return Verdict.DRIFTED
        if claims.unknown or strangers or position.readings:
            return Verdict.AMBIGUOUS
        if position.rerun or not sound:
            return Verdict.INCOMPLETE
        if not tips and not believed:
            return Verdict.EMPTY
        return Verdict.BEHIND if observation.claimed == tips else Verdict.ADOPTED

    return Location(
        verdict=judge(),
        at=label(position.applied, tape),
        applied=position.applied,
        claimed=observation.claimed,
        believed=believed,
        missing=missing,
        differing=differing,
        remaining=position.remaining,
        rerun=position.rerun,
        pending=position.pending,
        extra=extra,
        rejecting=rejecting,
        undecided=(
            *(item for item in stand_ins if item.key.kind == "table" or _looks_elsewhere(item)),
            *(item for item in extra if is_undecided(item, observation, recorded)),
            *(item for item in tolerated if item.expected is None and is_undecided(item, observation, recorded)),
        ),
        tolerated=(*stand_ins, *tolerated),
        unpopulated=unpopulated,
        unenforced=tuple(key for key in expected if observation.details.get(key) == UNENFORCED_BY_TRIGGERS),
        promotions=promotions,
        renamed=renamed,
        fitting=fitting,
        readings=tuple(dict.fromkeys(position.readings)),
        doubts=position.doubts,
        against=position.against,
        presumed=position.presumed,
        reach=position.reach,
        proof=proof,
        words=words,
        details=observation.details,
        strangers=strangers,
        name_collisions=others,
        widening=widening(observation.versions, tape.ids, **_length(observation)),
    )


def _fitting(ours: Schema, tape: Tape, *, ignoring: frozenset[Key]) -> tuple[str, ...]:
    """The revisions that make this schema, but for indexes that are lost."""
    lost = {key for key in tape.keys if key.kind == "index" and key not in ours}
    for ignored in (ignoring, ignoring | lost):
        fitting = [point for point in tape.points_at(ours, ignoring=ignored) if point.done == 0]
        if fitting:
            return tuple(label(tape.ids[1 : point.index + 1], tape) for point in fitting)
    return ()


def _looks_elsewhere(item: Difference) -> bool:
    """Whether a function of ours has got another search path, on which its names may be missing."""
    return item.key.kind == "function" and sets_path(item.actual or "") and not sets_path(item.expected or "")


def _strangers(rows: tuple[str, ...], applied: frozenset[str], tape: Tape, *, shared: bool) -> tuple[str, ...]:
    unknown = tuple(row for row in rows if row not in tape.by_id)
    return unknown if shared or not applied or len(unknown) < len(rows) else ()


def _length(observation: Observation) -> dict[str, int | None]:
    return {} if observation.claimed is None else {"length": observation.version_length}


def _ignored(ours: Schema, claims: Claims, tape: Tape) -> frozenset[Key]:
    """The objects that don't count for the location, whether they exist or not.

    An extension or a schema may have been created by an administrator; a partition of a recorded revision may have been
    dropped because it was outdated.
    """
    there = {key for key in ours if key.kind in ("extension", "schema")}
    if not tape.partitions:
        return frozenset(there)
    made = tape.after(claims.applied)
    attached = {key.relation for key, text in ours.items() if key.kind == "table" and text.endswith(" partition")}
    dropped = {key.relation for key in made if key.kind == "table"} & tape.partitions - attached
    return frozenset(there | {key for key in tape.keys if key.relation in dropped})


def _types_ahead(ours: Schema, claims: Claims, tape: Tape, *, ignoring: frozenset[Key]) -> frozenset[Key]:
    """Types of later revisions, where all else is as recorded: a `create_all` of newer code makes them at its start.

    They say nothing of the revisions between, whose rows may not be moved. A type that the next statements make is
    taken for their beginning instead.
    """
    made = tape.after(claims.applied)
    ahead = frozenset(key for key in ours if key.kind == "type" and key not in made and ours[key] in tape.texts[key])
    if not ahead or not claims.known or claims.unknown or claims.vouched:
        return frozenset()
    if not is_schema_of(ours, claims.applied, tape, ignoring | ahead) or tape.points_at(ours, ignoring=ignoring):
        return frozenset()
    return ahead


def _apart(
    expected: Schema, ours: Schema, observation: Observation, recorded: Schema, *, ended: bool = True
) -> tuple[tuple[Difference, ...], ...]:
    """The missing, the differing and the tolerated objects of a schema, and dropped ones that are left alone.

    An INVALID index, or a constraint with one, counts as missing: no query uses it.
    """
    missing, differing, tolerated, left_alone = [], [], [], []
    for key in {**expected, **ours}:
        item = Difference(key, expected.get(key), ours.get(key))
        if item.expected == item.actual:
            continue
        if item.actual is None and key.kind == "index":
            item = Difference(key, item.expected, _elsewhere(key, observation))
        if item.actual is None and key.kind == "table":
            item = Difference(key, item.expected, _in_place_of_table(key, observation))
        if item.actual is None or _serves_nobody(item):
            missing.append(item)
        elif _is_tolerable(item, observation, recorded):
            tolerated.append(item)
        elif ended and _is_left_alone(item, expected, observation, recorded):
            left_alone.append(item)
        else:
            differing.append(item)
    differing += _divided_otherwise((*missing, *differing), expected, observation)
    replaced = tables_in(item.key for item in differing if item.actual in (PARTITIONED, *RELATIONS.values()))
    return (
        tuple(item for item in missing if item.key.relation not in replaced),
        tuple(item for item in differing if item.key.relation not in replaced or item.key.kind == "table"),
        tuple(tolerated),
        tuple(left_alone),
    )


def _with_against(
    position: Position, ours: Schema, observation: Observation, claims: Claims, tape: Tape, *, ignoring: Collection[Key]
) -> Position:
    """A position that is in doubt whatever has moved rows, with what speaks against the last of its revisions."""
    if not position.readings or position.doubts or claims.unknown:
        return position
    last = tape.ancestry(() if position.readings[-1] == BASE else position.readings[-1].split(", "))
    expected = {key: text for key, text in tape.after(last).items() if key not in ignoring}
    ours = {key: text for key, text in ours.items() if key not in ignoring}
    missing, differing, tolerated, left_alone = _apart(expected, ours, observation, {**tape.end, **expected})
    left_over = (item for item in (*tolerated, *left_alone) if item.expected is None)
    return replace(position, against=(*missing, *differing, *left_over))


def _with_undone(
    position: Position, items: Collection[Difference], claims: Claims, tape: Tape, *, fitting: tuple[str, ...]
) -> Position:
    """The position, in doubt if one of its revisions may not have run: what it drops is there, what it makes isn't.

    An index or a constraint alone is more likely lost. Where the schema is `fitting` for earlier revisions, it is those
    that it may be at.
    """
    left_over = {item.key for item in items if item.expected is None}
    lacking = {item.key for item in items if item.expected is not None and item.key.kind not in ("index", *CONSTRAINTS)}
    if not left_over or not lacking or position.is_begun or claims.vouched:
        return position
    for revision in tape.revisions:
        effects = [item for statement in revision.statements for item in statement.effects.items()]
        drops = any(effect.after is None and key in left_over for key, effect in effects)
        makes = any(effect.after is not None and key in lacking for key, effect in effects)
        if revision.id in position.applied and drops and makes:
            before = fitting or (label(tape.ancestry(revision.parents), tape),)
            return replace(position, readings=(*before, label(position.applied, tape)), against=tuple(items))
    return position


def _divided_otherwise(items: Iterable[Difference], expected: Schema, observation: Observation) -> Iterator[Difference]:
    """Tables that others have partitioned by columns that aren't in our keys: such tables can't have our keys."""
    for table in dict.fromkeys(table_key(item.key) for item in items if item.key.kind in ("primary_key", "unique")):
        if expected.get(table) == "ordinary" and is_divided(observation.schema.get(table, "")):
            yield Difference(table, "ordinary", PARTITIONED)


def _serves_nobody(item: Difference) -> bool:
    """Whether an object is as expected but INVALID, perhaps with indexes of some partitions attached."""
    actual = item.actual or ""
    return item.expected is not None and actual.endswith(INVALID) and actual.startswith(f"{item.expected} ")


def _in_place_of_table(key: Key, observation: Observation) -> str | None:
    """The kind of object that has the name of a missing table."""
    return next((RELATIONS[other.kind] for other in others_of(key) if other in observation.schema), None)


def _elsewhere(key: Key, observation: Observation) -> str | None:
    """The text of a missing index whose name belongs to an index of another table."""
    for other, text in observation.schema.items():
        if other.kind == "index" and (other.schema, other.name) == (key.schema, key.name) and other != key:
            return f"{ELSEWHERE}{other.relation} {text}"
    return None


def _is_tolerable(item: Difference, observation: Observation, recorded: Schema) -> bool:
    """Whether a difference is harmless, and only a person could repair it."""
    if item.expected is None:
        return severity_of_others(item, observation, recorded) is Severity.HARMLESS and item.key.kind in (
            "extension",
            "schema",
            "sequence",
            "index",
            "trigger",
            "policy",
            "view",
            "function",
        )
    severity = severity_of_ours(item)
    return severity is Severity.HARMLESS or (
        severity is Severity.DEGRADED and mend(item) is None and not (item.actual or "").startswith(ELSEWHERE)
    )


def _is_left_alone(item: Difference, expected: Schema, observation: Observation, recorded: Schema) -> bool:
    """Whether an object that the chain has dropped exists again, and none of our writes is affected."""
    if item.expected is not None:
        return False
    if table_key(item.key) not in expected and item.key.table:
        return True
    return item.key.kind == "column" and severity_of_others(item, observation, recorded) is Severity.HARMLESS


def _has_all(end: Schema, ours: Schema, observation: Observation, recorded: Schema) -> bool:
    missing, differing, *_ = _apart(end, ours, observation, recorded)
    return not missing and not differing


def others_on(tape: Tape, observation: Observation, words: Normalized) -> tuple[Difference, ...]:
    """Others' objects on the tables of the tape."""
    renamed = {renaming.actual for renaming in words.renamings}
    return tuple(
        Difference(key, None, text)
        for key, text in observation.schema.items()
        if key not in tape.keys and key not in renamed and key.relation in tape.tables and key.kind != "table"
    )


def _renamed(expected: Schema, ours: Schema, extra: Iterable[Difference]) -> tuple[tuple[Difference, Difference], ...]:
    """Pairs missing columns with extra ones of the same table and type: adding an empty one would hide the values."""
    gone = [Difference(key, text, None) for key, text in expected.items() if key.kind == "column" and key not in ours]
    strange = [item for item in extra if item.key.kind == "column"]
    return tuple(_pairs(gone, strange))


def _not_renamed(
    missing: Iterable[Difference], ours: Schema, expected: Schema, tape: Tape
) -> tuple[tuple[Difference, Difference], ...]:
    """Pairs missing tables and columns with those that the chain renames to them, and that are still there."""
    lacking = {item.key: item for item in missing}
    renamings = (statement.renaming for statement in tape.statements)
    return tuple(
        (lacking[new], Difference(old, None, ours[old]))
        for old, new in filter(None, renamings)
        if new in lacking and old in ours and old not in expected
    )


def _pairs(gone: Iterable[Difference], strange: Iterable[Difference]) -> Iterator[tuple[Difference, Difference]]:
    strange = list(strange)
    for lost in gone:
        for actual in strange:
            if lost.key.relation == actual.key.relation and lost.expected == actual.actual:
                yield lost, actual
