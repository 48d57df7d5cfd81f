"""Tape: what every revision of a chain does to the schema, recorded once by replaying it.

A position on the tape is the schema after a revision. The tape is committed beside the revisions; a revision whose
source no longer hashes to what was recorded makes it stale, and nothing is decided from a stale tape.
"""

import ast
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..observation.observe import VersionTable, digest_of
from ..schema.errors import ReconcileError
from ..schema.schema import VARIES, Difference, Key, Schema, tables_in, unquoted
from ..sql.names import names_in
from ..sql.split import first_word
from ..sql.statements import is_with_no_data

FORMAT = 3
BASE = "base"
Kind: TypeAlias = Literal["additive", "destructive", "neutral", "data", "opaque", "read", "boundary"]
TRACELESS = ("data", "opaque", "read")


class TapeUnreadable(ReconcileError):
    """The tape isn't there, or isn't one."""


@dataclass(frozen=True)
class Effect:
    """What a statement does to one object: its canonical text before and after, None where there is none."""

    before: str | None
    after: str | None


@dataclass(frozen=True)
class Statement:
    """One statement of a revision, as it was sent, with its effects on the schema.

    `additive` only makes objects, `destructive` changes or drops some, `neutral` does neither (a comment, a grant),
    `data` moves rows, and of what is `opaque` only the effects are known, not what else it did. A `read` asks for rows
    of `tables`: what the revision's code does with them, nobody saw on an empty database. At a `boundary` the revision
    ends its transaction. What isn't `transactional` ran outside a transaction, and has to. Parameters are left out: no
    row is moved from here.
    """

    sql: str
    kind: Kind
    effects: dict[Key, Effect]
    transactional: bool = True
    tables: tuple[str, ...] = ()

    @property
    def is_setting(self) -> bool:
        """Whether it only sets what the statements behind it need."""
        return self.kind == "neutral" and first_word(self.sql) in ("SET", "RESET")

    @property
    def varies(self) -> bool:
        """Whether it is another statement, or makes something else, each time: then it can't be run from here."""
        return VARIES in self.sql or any(VARIES in (effect.after or "") for effect in self.effects.values())

    @property
    def renaming(self) -> tuple[Key, Key] | None:
        """The table or the column that it renames, as the old and the new key."""
        if first_word(self.sql) != "ALTER" or "rename" not in names_in(self.sql):
            return None
        pairs = [
            (old, new)
            for old, gone in self.effects.items()
            for new, made in self.effects.items()
            if gone.after is None and made.before is None and gone.before == made.after
            if old.kind == new.kind and (old.kind == "table" or (old.kind == "column" and old.relation == new.relation))
        ]
        return pairs[0] if len(pairs) == 1 and pairs[0][0].schema == pairs[0][1].schema else None

    @property
    def traceless(self) -> bool:
        """Whether the schema alone can't tell that it ran, and running it twice could matter."""
        return self.kind in TRACELESS and not self.effects


@dataclass(frozen=True)
class Revision:
    """One revision: what it follows, the hash of its source, and its statements in order.

    `replay_safe` is what its file declares: that it may be run again on top of itself. `verifies` is set when its file
    brings a function `verify(connection)` that says whether all that it does to rows has been done. `file` is the
    hash of its file as it lay there: where that is the same nothing needs to be parsed, else `source` decides.
    """

    id: str
    parents: tuple[str, ...]
    source: str
    statements: tuple[Statement, ...]
    replay_safe: bool = False
    verifies: bool = False
    file: str = field(default="", compare=False)

    @property
    def reads(self) -> bool:
        """Whether it asks user tables something: then it does what the tape never saw."""
        return any(item.kind == "read" for item in self.statements)

    @property
    def has_settings(self) -> bool:
        """Whether its statements need what it sets: a search path, a role."""
        return any(item.is_setting for item in self.statements)

    @property
    def moves_rows(self) -> bool:
        """Whether it may do to rows what the schema doesn't show, and may not be run again on top of itself."""
        return not self.replay_safe and any(item.traceless for item in self.statements)

    @property
    def completable(self) -> bool:
        """Whether what is missing of it can be made from its effects: nothing in it moves data, changes or drops."""
        return all(item.kind in ("additive", "neutral", "boundary") and not item.varies for item in self.statements)

    @cached_property
    def neighbours(self) -> Mapping[int, tuple[int, ...]]:
        """The positions of statements that follow each other and each make an index, by the first of them."""
        runs: dict[int, tuple[int, ...]] = {}
        for is_index, run in groupby(range(len(self.statements)), key=lambda at: makes_index(self.statements[at])):
            positions = tuple(run)
            if is_index and len(positions) > 1:
                runs[positions[0]] = positions
        return runs

    @property
    def transactional(self) -> bool:
        """Whether all of it runs in one transaction."""
        return all(item.transactional for item in self.statements)


@dataclass(frozen=True)
class Point:
    """A place on the tape: after `done` statements of the revision of this index; none of a revision: before it.

    `skipped` are those among them, by their position, that have not run: neighbours that each make an index stand on
    the tape in an order of their own (see record.py), and run in another.
    """

    index: int
    done: int
    skipped: tuple[int, ...] = ()

    def remaining(self, revision: Revision) -> tuple[Statement, ...]:
        """What has yet to run of its revision."""
        return (*(revision.statements[at] for at in self.skipped), *revision.statements[self.done :])


@dataclass(frozen=True)
class Tape:
    """A chain's revisions in the order in which they are applied, and where the chain keeps its version.

    `schema` is the one that env.py chooses, None where the connection's names decide. `base` is what has to be there
    before the first revision, `unwatched` is what the chain makes of kinds that a look leaves out. `until` is the
    revision up to which a chain was recorded that doesn't run to its end. `models` names the metadata that make a
    second end, which is as good as the chain's; `models_differ` is what differs there.
    """

    revisions: tuple[Revision, ...]
    schema: str | None = None
    versions: VersionTable = field(default_factory=VersionTable)
    postgresql: str = ""
    until: str | None = None
    base: Schema = field(default_factory=dict)
    unwatched: tuple[str, ...] = ()
    models: str | None = None
    models_differ: tuple[Difference, ...] = ()

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """`base` and the ids of the revisions, in order."""
        return (BASE, *(revision.id for revision in self.revisions))

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The ids of the revisions that no other follows, sorted as the version table is read; one, or one a branch."""
        return tuple(sorted(self.tips(self.by_id))) or (BASE,)

    @property
    def head(self) -> str:
        """The last revision's id; of several branches all, as in `at` of a location."""
        return ", ".join(self.heads)

    @cached_property
    def by_id(self) -> dict[str, Revision]:
        """The revisions by their ids."""
        return {revision.id: revision for revision in self.revisions}

    def ancestry(self, revisions: Iterable[str]) -> frozenset[str]:
        """Some revisions with all that they follow."""
        ancestors: set[str] = set()
        waiting = [revision for revision in revisions if revision != BASE]
        while waiting:
            revision = waiting.pop()
            if revision not in ancestors:
                ancestors.add(revision)
                waiting.extend(self.by_id[revision].parents)
        return frozenset(ancestors)

    def tips(self, applied: Collection[str]) -> tuple[str, ...]:
        """Those of some applied revisions that no other of them follows: the rows of Alembic's version table."""
        followed = {parent for revision in applied for parent in self.by_id[revision].parents}
        return tuple(revision for revision in self.ids if revision in applied and revision not in followed)

    def after(self, applied: Collection[str]) -> Schema:
        """The schema after some revisions, each with all that it follows."""
        return self._after(frozenset(applied))

    @cached_property
    def _after(self) -> Callable[[frozenset[str]], Schema]:
        return lru_cache(maxsize=8)(self._replay)

    def _replay(self, applied: frozenset[str]) -> Schema:
        schema = dict(self.base)
        for revision in self.revisions:
            if revision.id in applied:
                for statement in revision.statements:
                    play(schema, statement)
        return schema

    @cached_property
    def digest(self) -> str:
        """A short hash of the revisions: the version of the code that knows them."""
        return digest_of([[revision.id, revision.source] for revision in self.revisions])

    @cached_property
    def end(self) -> Schema:
        """The schema after the last revision."""
        return self.after(self.ids)

    @property
    def statements(self) -> Iterator[Statement]:
        """All statements, in order."""
        return (statement for revision in self.revisions for statement in revision.statements)

    @cached_property
    def texts(self) -> Mapping[Key, frozenset[str]]:
        """Every text that an object of the chain ever has, by its key."""
        texts: dict[Key, set[str]] = {key: {text} for key, text in self.base.items()}
        for statement in self.statements:
            for key, effect in statement.effects.items():
                texts.setdefault(key, set()).update(text for text in (effect.before, effect.after) if text is not None)
        return {key: frozenset(recorded) for key, recorded in texts.items()}

    @cached_property
    def keys(self) -> frozenset[Key]:
        """Every object that the chain ever makes or changes, or finds at its base: what is ours."""
        return frozenset(self.base).union(*(statement.effects for statement in self.statements))

    @property
    def varying(self) -> tuple[Key, ...]:
        """The objects whose definition is another each time the chain is played."""
        return tuple(key for key, texts in self.texts.items() if any(VARIES in text for text in texts))

    @cached_property
    def tables(self) -> frozenset[str]:
        """The names of the tables that are ours: those that the chain makes or finds at its base."""
        return tables_in(self.keys)

    @cached_property
    def lasting_enums(self) -> frozenset[str]:
        """The names, unquoted, of the enum types that no revision drops once they are made."""
        dropped = {key for item in self.statements for key, effect in item.effects.items() if effect.after is None}
        return frozenset(
            unquoted(key.name)
            for key, texts in self.texts.items()
            if key.kind == "type"
            and not key.schema
            and key not in dropped
            and any(t.startswith("enum ") for t in texts)
        )

    @cached_property
    def unpopulated(self) -> frozenset[Key]:
        """The materialized views that the chain leaves without rows, for others to fill."""
        views = {key for key in self.keys if key.kind == "materialized_view"}
        unpopulated: set[Key] = set()
        for statement in self.statements:
            filled = views.intersection(statement.effects)
            if first_word(statement.sql) == "REFRESH":
                filled = {key for key in views if unquoted(key.name) in names_in(statement.sql)}
            unpopulated -= filled
            if is_with_no_data(statement.sql):
                unpopulated |= filled
        return frozenset(unpopulated)

    @cached_property
    def partitions(self) -> frozenset[str]:
        """The names of the tables among them that are partitions: operations add and drop those as time passes."""
        return frozenset(
            key.relation
            for key, texts in self.texts.items()
            if key.kind == "table" and all(text.endswith(" partition") for text in texts)
        )

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the objects to look for."""
        tables = frozenset(key.relation for key in self.keys if key.table)
        return tables | {key.path for key in self.keys if not key.table or key.kind == "index"}

    @cached_property
    def schemas(self) -> frozenset[str]:
        """The schemas to look into beside ours, unquoted: those that names on the tape are qualified with."""
        schemas = {key.schema for key in self.keys if key.schema}
        return frozenset(map(unquoted, schemas | {key.name for key in self.keys if key.kind == "schema"}))

    def points_at(self, ours: Schema, *, ignoring: Collection[Key] = frozenset()) -> tuple[Point, ...]:
        """Every place in the order of the tape at which the schema is exactly this one, but for some objects."""
        schema = dict(self.base)
        wrong = {key for key in {**schema, **ours} if schema.get(key) != ours.get(key) and key not in ignoring}
        points = [] if wrong else [Point(0, 0)]
        for index, revision in enumerate(self.revisions):
            for done, statement in enumerate(revision.statements, start=1):
                points += _among_neighbours(schema, ours, wrong, revision, Point(index, done - 1))
                play(schema, statement)
                for key in statement.effects:
                    if key not in ignoring:
                        (wrong.discard if schema.get(key) == ours.get(key) else wrong.add)(key)
                if not wrong and done < len(revision.statements):
                    points.append(Point(index, done))
            if not wrong:
                points.append(Point(index + 1, 0))
        return tuple(points)


def _among_neighbours(
    schema: Schema, ours: Schema, wrong: set[Key], revision: Revision, begin: Point
) -> Iterator[Point]:
    """The place after some of the neighbours that begin here and each make an index, where they ran in another order.

    `wrong` is what differs between `ours` and the schema before them.
    """
    run = revision.neighbours.get(begin.done, ())
    there = [at for at in run if all(key in ours for key in revision.statements[at].effects)]
    if not there or there == list(run[: len(there)]):
        return
    made = {key: effect.after for at in there for key, effect in revision.statements[at].effects.items()}
    if wrong == made.keys() and all(ours[key] == text for key, text in made.items()):
        yield Point(begin.index, there[-1] + 1, tuple(at for at in run if at < there[-1] and at not in there))


def makes_index(statement: Statement) -> bool:
    """Whether all that a statement does is to make an index."""
    made = [key for key, effect in statement.effects.items() if effect.before is None]
    return statement.kind == "additive" and [key.kind for key in made] == ["index"]


def play(schema: dict[Key, str], statement: Statement) -> None:
    """Has a statement's effects on a schema."""
    for key, effect in statement.effects.items():
        schema.pop(key, None)
        if effect.after is not None:
            schema[key] = effect.after


def file_hash(path: Path) -> str:
    """A hash of a file as it is."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def source_hash(path: Path) -> str:
    """A hash of what a Python file does: docstrings, comments and layout don't count, nor does Python's version."""
    tree = ast.parse(path.read_bytes())
    return hashlib.sha256(json.dumps(_meaning(tree)).encode()).hexdigest()[:32]


def _meaning(node: Any) -> Any:
    if isinstance(node, list):
        return [_meaning(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.JoinedStr):  # Python 3.12 ends some with an empty string
        node = ast.JoinedStr([part for part in node.values if not isinstance(part, ast.Constant) or part.value])
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, []) and name != "kind"}
    if (
        isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and ast.get_docstring(node) is not None
    ):
        fields["body"] = node.body[1:]
    return [type(node).__name__, {name: _meaning(value) for name, value in fields.items()}]
