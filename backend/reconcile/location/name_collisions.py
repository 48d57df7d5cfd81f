"""Objects of others that have the name of one of our tables. Pure.

A table is created with all its columns at once. If no recorded revision creates it, most of its columns are missing and
it has others, it isn't the chain's; nor is a view, or another kind of object, with a table's name.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ..differences.alter_statements import RELATIONS
from ..schema.schema import Key, Schema
from ..tape.tape import Statement, Tape
from .position import Claims


@dataclass(frozen=True)
class NameCollision:
    """Somebody else's object, the revision that would create our table, and how the two differ."""

    table: str
    revision: str
    actual: str

    def __str__(self) -> str:
        """A sentence about why it isn't ours."""
        return (
            f"the table {self.table} isn't the one that revision {self.revision} makes: it {self.actual};"
            " another's has the name"
        )


def name_collisions(observed: Schema, claims: Claims, tape: Tape) -> Iterator[NameCollision]:
    """The objects of others with the name of a table that has yet to be created."""
    for revision in tape.revisions:
        if revision.id in claims.applied:
            continue
        for table, columns in _made_in(revision.statements):
            other = next((key for key in others_of(table) if key in observed and key not in tape.keys), None)
            if other is not None:
                yield NameCollision(table.relation, revision.id, f"is {RELATIONS[other.kind]}")
            if table not in observed:
                continue
            lacking = tuple(key.name for key in columns if key not in observed)
            strange = tuple(
                key.name
                for key in observed
                if key.kind == "column" and key.relation == table.relation and key not in tape.keys
            )
            if strange and 2 * len(lacking) > len(columns):
                actual = f"has no {', '.join(lacking)}, but {', '.join(strange)}"
                yield NameCollision(table.relation, revision.id, actual)


def others_of(table: Key) -> Iterator[Key]:
    """The keys of other kinds of objects that may have a table's name."""
    return (Key(kind, table.schema, "", table.table) for kind in RELATIONS)


def _made_in(statements: tuple[Statement, ...]) -> Iterator[tuple[Key, tuple[Key, ...]]]:
    """The tables that statements create, with their first columns."""
    for statement in statements:
        made = [key for key, effect in statement.effects.items() if effect.before is None]
        for table in made:
            if table.kind == "table":
                yield table, tuple(key for key in made if key.kind == "column" and key.relation == table.relation)
