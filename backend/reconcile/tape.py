"""Tape: what every revision of a chain does to the schema, recorded once by replaying it.

A position on the tape is the schema after a revision. The tape is committed beside the revisions; a revision whose
source no longer hashes to what was recorded makes it stale, and nothing is decided from a stale tape.
"""

import ast
import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from reconcile.errors import ReconcileError
from reconcile.observe import VersionTable
from reconcile.schema import Key, Schema, kind_of, name_of, tables_in

FORMAT = 1
Kind: TypeAlias = Literal["additive", "destructive", "data"]
BASE = "base"


class TapeUnreadable(ReconcileError):
    """The tape isn't there, or isn't one."""


@dataclass(frozen=True)
class Effect:
    """What a statement does to one object: its canonical text before and after, None where there is none."""

    before: str | None
    after: str | None


@dataclass(frozen=True)
class Statement:
    """One statement of a revision, as it was sent, with its effects on the schema."""

    sql: str
    kind: Kind
    effects: dict[Key, Effect]


@dataclass(frozen=True)
class Revision:
    """One revision: its parent, the hash of its source, and its statements in order."""

    id: str
    parent: str | None
    source: str
    statements: tuple[Statement, ...]

    @property
    def replayable(self) -> bool:
        """Whether a half-applied one can be completed: nothing in it moves data or destroys."""
        return all(statement.kind == "additive" for statement in self.statements)


@dataclass(frozen=True)
class Tape:
    """A chain's revisions in the order in which they are applied, and where the chain keeps its version."""

    revisions: tuple[Revision, ...]
    schema: str = "public"
    versions: VersionTable = field(default_factory=VersionTable)
    postgresql: str = ""

    @cached_property
    def positions(self) -> dict[str, Schema]:
        """The schema after each revision, by its id; `base` is the schema before the first."""
        schema: dict[Key, str] = {}
        positions: dict[str, Schema] = {BASE: {}}
        for revision in self.revisions:
            for statement in revision.statements:
                schema = _played(schema, statement)
            positions[revision.id] = schema
        return positions

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """`base` and the ids of the revisions, in order."""
        return tuple(self.positions)

    @property
    def head(self) -> str:
        """The last revision's id."""
        return self.ids[-1]

    @cached_property
    def keys(self) -> frozenset[Key]:
        """Every object that the chain ever makes: what is ours."""
        return frozenset(
            key for revision in self.revisions for statement in revision.statements for key in statement.effects
        )

    @cached_property
    def tables(self) -> frozenset[str]:
        """The names of the tables that are ours."""
        return tables_in(self.keys)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the objects that are ours and lie on no table of ours."""
        return frozenset(name_of(key) for key in self.keys if kind_of(key) not in ("column", "trigger", "policy"))

    def between(self, start: str, end: str) -> tuple[Revision, ...]:
        """The revisions after `start` up to and with `end`; none where `end` lies before `start`."""
        first, last = self.ids.index(start), self.ids.index(end)
        return self.revisions[first:last]


def _played(schema: dict[Key, str], statement: Statement) -> dict[Key, str]:
    played = dict(schema)
    for key, effect in statement.effects.items():
        played.pop(key, None)
        if effect.after is not None:
            played[key] = effect.after
    return played


def source_hash(path: Path) -> str:
    """A hash of what a Python file does: docstrings, comments and layout don't count, nor does Python's version."""
    tree = ast.parse(path.read_bytes())
    return hashlib.sha256(json.dumps(_meaning(tree)).encode()).hexdigest()[:32]


def _meaning(node: Any) -> Any:
    if isinstance(node, list):
        return [_meaning(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, []) and name != "kind"}
    if (
        isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and ast.get_docstring(node) is not None
    ):
        fields["body"] = node.body[1:]
    return [type(node).__name__, {name: _meaning(value) for name, value in fields.items()}]
