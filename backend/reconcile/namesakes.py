"""namesakes: tables that bear the name of one of ours, and are somebody else's. Pure.

A table is made with all its columns at once. Where no revision on record makes it, most of them are missing, and others
are there, then it isn't the chain's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconcile.place import Claims
from reconcile.schema import Key, Schema
from reconcile.tape import Statement, Tape


@dataclass(frozen=True)
class Namesake:
    """Somebody else's table, the revision that would make ours, and the columns that tell them apart."""

    table: str
    revision: str
    lacking: tuple[str, ...]
    strange: tuple[str, ...]

    def __str__(self) -> str:
        """Why it isn't ours, in a sentence."""
        return (
            f"the table {self.table} isn't the one that revision {self.revision} makes: it has no"
            f" {', '.join(self.lacking)}, but {', '.join(self.strange)}; another's has the name"
        )


def namesakes(observed: Schema, claims: Claims, tape: Tape) -> Iterator[Namesake]:
    """The tables in a schema that aren't ours, though they bear the name of one that has yet to be made."""
    for revision in tape.revisions:
        if revision.id in claims.applied:
            continue
        for table, columns in _made_in(revision.statements, observed):
            lacking = tuple(key.name for key in columns if key not in observed)
            strange = tuple(
                key.name
                for key in observed
                if key.kind == "column" and key.relation == table.relation and key not in tape.keys
            )
            if strange and 2 * len(lacking) > len(columns):
                yield Namesake(table.relation, revision.id, lacking, strange)


def _made_in(statements: tuple[Statement, ...], observed: Schema) -> Iterator[tuple[Key, tuple[Key, ...]]]:
    """The tables made by some statements that bear the name of one that is there, with the columns they begin with."""
    for statement in statements:
        made = [key for key, effect in statement.effects.items() if effect.before is None]
        for table in made:
            if table.kind == "table" and table in observed:
                yield table, tuple(key for key in made if key.kind == "column" and key.relation == table.relation)
