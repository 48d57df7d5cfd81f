"""name_collisions: what bears the name of one of our tables, and is somebody else's. Pure.

A table is made with all its columns at once. Where no revision on record makes it, most of them are missing, and others
are there, then it isn't the chain's; nor is a view of the name, or whatever else stands in a table's place.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconcile.differences.repair_statements import RELATIONS
from reconcile.location.position import Claims
from reconcile.schema.schema import Key, Schema
from reconcile.tape.tape import Statement, Tape


@dataclass(frozen=True)
class NameCollision:
    """What somebody else has made, the revision that would make our table, and what tells them apart."""

    table: str
    revision: str
    actual: str

    def __str__(self) -> str:
        """Why it isn't ours, in a sentence."""
        return (
            f"the table {self.table} isn't the one that revision {self.revision} makes: it {self.actual};"
            " another's has the name"
        )


def name_collisions(observed: Schema, claims: Claims, tape: Tape) -> Iterator[NameCollision]:
    """What in a schema isn't ours, though it bears the name of a table that has yet to be made."""
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
    """What may bear the name of a table beside it."""
    return (Key(kind, table.schema, "", table.table) for kind in RELATIONS)


def _made_in(statements: tuple[Statement, ...]) -> Iterator[tuple[Key, tuple[Key, ...]]]:
    """The tables made by some statements, with the columns they begin with."""
    for statement in statements:
        made = [key for key, effect in statement.effects.items() if effect.before is None]
        for table in made:
            if table.kind == "table":
                yield table, tuple(key for key in made if key.kind == "column" and key.relation == table.relation)
