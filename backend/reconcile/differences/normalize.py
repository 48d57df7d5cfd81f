"""Normalizes an observed schema: objects that mean the same as the tape's get the tape's names and texts.

These are constraints with another name, labels of an enum in other capitals, sequences with another name, keys with
their columns in another order, and definitions as another version of PostgreSQL spells them. Objects that later
revisions call by name are renamed before those run; the others are left as they are.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..observation.observe import Observation
from ..schema.compatibility import LABEL, serves
from ..schema.schema import CONSTRAINTS, INVALID, Key, Schema
from ..tape.tape import Tape
from ..tape.varying import fits

_KEY_COLUMNS = re.compile(r"((?:PRIMARY KEY|UNIQUE)(?: NULLS NOT DISTINCT)?) \(([^()]*)\)(.*)", re.DOTALL)

# Gets objects whose text isn't on the tape, and returns the recorded text of those that only are spelled differently.
Speller: TypeAlias = Callable[[Mapping[Key, str]], Mapping[Key, str]]


@dataclass(frozen=True)
class Renaming:
    """A constraint with another name than the chain gave it; `aside` is a temporary name while its own is taken."""

    actual: Key
    expected: Key
    aside: str = ""

    def __str__(self) -> str:
        return f"{self.actual} is called {self.expected.name} by the chain"


def rename_statements(renamings: Iterable[Renaming]) -> tuple[str, ...]:
    """The statements that give constraints their own names; they lose nothing, and lock the tables only briefly."""
    renamings = tuple(renamings)
    aside = [(item.actual, item.actual.name, item.aside) for item in renamings if item.aside]
    own = [(item.actual, item.aside or item.actual.name, item.expected.name) for item in renamings]
    return tuple(f"ALTER TABLE {key.relation} RENAME CONSTRAINT {old} TO {new}" for key, old, new in aside + own)


@dataclass(frozen=True)
class Relabelling:
    """An enum whose labels differ from the chain's in case only, in the same order."""

    type: Key
    labels: tuple[tuple[str, str], ...]

    @property
    def statements(self) -> tuple[str, ...]:
        """One statement for each label that differs; the rows keep their values under the new labels."""
        return tuple(f"ALTER TYPE {self.type.path} RENAME VALUE {old} TO {new}" for old, new in self.labels)

    def __str__(self) -> str:
        pairs = ", ".join(f"{old} becomes {new}" for old, new in self.labels)
        return f"the labels of {self.type} differ in case alone: {pairs}"


@dataclass(frozen=True)
class Normalized:
    """The tape's objects of a schema, with the tape's names and texts.

    `renamings` and `relabellings` are still to be done; `notes` describe differences that don't matter.
    """

    ours: Schema
    renamings: tuple[Renaming, ...] = ()
    relabellings: tuple[Relabelling, ...] = ()
    notes: tuple[str, ...] = ()


def normalize(observation: Observation, tape: Tape, *, spell: Speller | None = None) -> Normalized:
    """Normalizes the observed objects of the tape; `spell` asks the server about texts that differ."""
    schema = dict(observation.schema)
    for key, actual in strange(schema, tape).items():
        schema[key] = next((recorded for recorded in tape.texts[key] if fits(recorded, actual)), actual)
    notes = [*_in_recorded_order(schema, tape)]
    renamings = tuple(_renamings(schema, tape))
    moved = {renaming.expected: schema.pop(renaming.actual) for renaming in renamings}
    schema |= moved
    notes += _with_recorded_sequences(schema, observation.details, tape)
    relabellings = tuple(_relabellings(schema, tape))
    for relabelling in relabellings:
        _relabel(schema, relabelling, tape)
    spelled = {
        key: text
        for key, text in strange(schema, tape).items()
        if not any(serves(key, recorded, text) for recorded in tape.texts[key])
    }
    if spelled and spell is not None:
        schema |= spell(spelled)
    ours = {key: text for key, text in schema.items() if key in tape.keys}
    return Normalized(ours, renamings, relabellings, tuple(notes))


def strange(schema: Schema, tape: Tape) -> dict[Key, str]:
    """The tape's objects that have a text which isn't on the tape."""
    return {
        key: text
        for key, text in schema.items()
        if (recorded := tape.texts.get(key)) is not None
        and text not in recorded
        and text.removesuffix(INVALID) not in recorded
    }


def _renamings(schema: Schema, tape: Tape) -> Iterator[Renaming]:
    """Constraints on our tables with exactly the text of a missing one of ours."""
    ours = [key for key in schema if key.kind in CONSTRAINTS and key.relation in tape.tables]
    misplaced = sorted(key for key in ours if schema[key] not in tape.texts.get(key, ()))
    if not misplaced:
        return
    lacking = [key for key in tape.keys if key.kind in CONSTRAINTS and schema.get(key) not in tape.texts[key]]
    pairs: dict[Key, Key] = {}
    for actual in misplaced:
        fitting = (key for key in sorted(lacking) if actual[:3] == key[:3] and schema[actual] in tape.texts[key])
        expected = next(fitting, None)
        if expected is not None:
            lacking.remove(expected)
            pairs[expected] = actual
    staying = {expected for expected in pairs if expected in schema and expected not in pairs.values()}
    crossing = any(expected in schema for expected in pairs)
    for expected, actual in pairs.items():
        if expected not in staying:
            yield Renaming(actual, expected, aside=_aside(expected) if crossing else "")


def _aside(key: Key) -> str:
    """A unique temporary name for a constraint whose own name is taken by another one that is renamed too."""
    return "reconcile_" + hashlib.sha256(str(key).encode()).hexdigest()[:12]


def _with_recorded_sequences(schema: dict[Key, str], details: Mapping[Key, str], tape: Tape) -> Iterator[str]:
    """Gives sequences that belong to a column of ours the name that the chain gave them."""
    for actual in [key for key in schema if key.kind == "sequence" and key not in tape.keys and key in details]:
        column = next(
            (key for key in schema if key.kind == "column" and f"{key.relation}.{key.name}" == details[actual]), None
        )
        if column is None or column not in tape.texts:
            continue
        for expected in tape.keys:
            text = schema[column].replace(nextval(actual), nextval(expected))
            if expected.kind == "sequence" and expected not in schema and text in tape.texts[column]:
                schema[expected], schema[column] = schema.pop(actual), text
                yield (
                    f"{actual}, which numbers {details[actual]}, is called {expected.name} by the chain; either serves"
                )
                break


def nextval(sequence: Key) -> str:
    """The default of a column that gets its values from a sequence."""
    return "nextval('" + sequence.path.replace("'", "''") + "'::regclass)"


def _relabellings(schema: Schema, tape: Tape) -> Iterator[Relabelling]:
    for key, text in strange(schema, tape).items():
        if key.kind != "type" or not text.startswith("enum "):
            continue
        actual = LABEL.findall(text)
        for recorded in tape.texts[key]:
            expected = LABEL.findall(recorded)
            if [label.lower() for label in actual] == [label.lower() for label in expected]:
                yield Relabelling(key, tuple(pair for pair in zip(actual, expected, strict=True) if pair[0] != pair[1]))
                break


def _relabel(schema: dict[Key, str], relabelling: Relabelling, tape: Tape) -> None:
    """Gives the type its recorded labels, also in defaults, checks and predicates that use them."""
    new_labels = dict(relabelling.labels)
    schema[relabelling.type] = LABEL.sub(lambda label: new_labels.get(label[0], label[0]), schema[relabelling.type])
    for old, new in relabelling.labels:
        for key in [key for key, text in schema.items() if f"{old}::{relabelling.type.path}" in text]:
            if key in tape.keys:
                schema[key] = schema[key].replace(f"{old}::{relabelling.type.path}", f"{new}::{relabelling.type.path}")


def _in_recorded_order(schema: dict[Key, str], tape: Tape) -> Iterator[str]:
    """Gives keys over the columns of the chain's key of that name its order of them."""
    for key, actual in strange(schema, tape).items():
        recorded = _same_key_in_other_order(key, actual, tape)
        if recorded is not None:
            schema[key] = recorded
            yield f"{key} has its columns in another order than the chain's {recorded}; either serves"


def _same_key_in_other_order(key: Key, actual: str, tape: Tape) -> str | None:
    """The recorded text of a key over the same columns in another order."""
    columns = _columns(actual)
    if key.kind not in ("primary_key", "unique") or columns is None:
        return None
    return next((recorded for recorded in tape.texts[key] if _columns(recorded) == columns), None)


def _columns(definition: str) -> tuple[str, frozenset[str], str] | None:
    match = _KEY_COLUMNS.fullmatch(definition)
    return (match[1], frozenset(match[2].split(", ")), match[3]) if match else None
