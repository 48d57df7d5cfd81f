"""What a revision does to the tables that are there before it: the locks it takes, and how long it holds them.

By PostgreSQL's documentation of explicit locking and ALTER TABLE; tests ask PostgreSQL itself.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

from ..schema.column import Column
from ..schema.schema import NOT_VALID, Key, tables_in
from ..sql.names import names_in
from ..tape.tape import Effect, Revision, Statement, Tape

_TWO_REVISIONS = (
    "it moves rows and leaves its transaction: if it fails between the two, nothing shows whether the rows were moved."
    " Put rows and index into two revisions"
)
_INDEXED = ("primary_key", "unique", "exclude")
_CHECKED = ("check", "foreign_key")
_SIZED = re.compile(r"(?P<name>character varying|numeric)(?:\((?P<size>\d+)(?:,(?P<scale>\d+))?\))?|text")
# Functions whose value is the same for all rows of a statement: PostgreSQL computes it once, and rewrites nothing.
_ONCE = re.compile(r"\b(?:now|statement_timestamp|transaction_timestamp|current_setting|timezone)\(", re.IGNORECASE)
_CALL = re.compile(r"\b[a-z_][\w.]*\(", re.IGNORECASE)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_TYPE = re.compile(r"::[\w\s.\"]+(?:\([\d,]+\))?")


class Lock(IntEnum):
    """PostgreSQL's locks of tables, from the weakest on."""

    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    ACCESS_EXCLUSIVE = 8

    @property
    def blocks(self) -> str:
        """Who has to wait."""
        if self is Lock.ACCESS_EXCLUSIVE:
            return "nobody can read or write it"
        return "nobody can write to it" if self >= Lock.SHARE else "it stays in use"

    def __str__(self) -> str:
        """The name as in PostgreSQL's documentation."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class Impact:
    """What a statement does to a table: `work` takes longer the more rows there are, and is empty otherwise.

    `lock` is the strongest that is held then, `by_earlier` whether an earlier statement of the transaction took it.
    """

    table: str
    lock: Lock
    work: str
    sql: str
    by_earlier: bool = False

    @property
    def is_long(self) -> bool:
        """Whether somebody waits for as long as the table is large."""
        return bool(self.work) and self.lock >= Lock.SHARE

    def __str__(self) -> str:
        """A line for a person."""
        how = f"it {self.work}, and meanwhile {self.lock.blocks}" if self.work else f"{self.lock.blocks}, for a moment"
        if not self.work and self.lock < Lock.SHARE:
            how = self.lock.blocks
        since = ", held since an earlier statement" if self.by_earlier else ""
        return f"{self.table}: {self.lock}{since}; {how}"


def impacts_of(revision: Revision, tape: Tape) -> tuple[Impact, ...]:
    """What each statement of a revision does to tables that are there before it."""
    tables = tables_in(tape.after(tape.ancestry(revision.parents)))
    return tuple(_impacts(revision, tables))


def _impacts(revision: Revision, tables: Collection[str]) -> Iterator[Impact]:
    """The impacts in order; a lock is held until its transaction ends."""
    held: dict[str, Lock] = {}
    for statement in revision.statements:
        if statement.kind == "boundary" or not statement.transactional:
            held.clear()
        for impact in _of_statement(statement, tables):
            earlier = held.get(impact.table, impact.lock)
            held[impact.table] = max(earlier, impact.lock)
            if impact.work and earlier > impact.lock:
                yield replace(impact, lock=earlier, by_earlier=True)
            else:
                yield impact


def advice_for(revision: Revision) -> tuple[str, ...]:
    """What to do otherwise in a revision that can't be healed wherever it breaks off."""
    return (_TWO_REVISIONS,) if revision.moves_rows and leaves_transaction(revision) else ()


def leaves_transaction(revision: Revision) -> bool:
    """Whether a part of a revision may stay where the rest of it fails."""
    return any(not item.transactional or item.kind == "boundary" for item in revision.statements)


def _of_statement(statement: Statement, tables: Collection[str]) -> Iterator[Impact]:
    effects: dict[str, list[tuple[Lock, str]]] = {}
    for key, effect in statement.effects.items():
        for table, lock, work in _of_effect(key, effect, statement.sql):
            effects.setdefault(table, []).append((lock, work))
    if statement.kind in ("data", "opaque"):
        words = {names_in(name)[-1] for name in statement.tables} | set(names_in(statement.sql))
        for table in tables:
            if names_in(table)[-1] in words:
                effects.setdefault(table, []).append((Lock.ROW_EXCLUSIVE, "moves rows"))
    for table in sorted(set(tables) & set(effects)):
        lock = max(lock for lock, _ in effects[table])
        work = " and ".join(dict.fromkeys(work for _, work in effects[table] if work))
        yield Impact(table, lock, work, " ".join(statement.sql.split()))


def _of_effect(key: Key, effect: Effect, sql: str) -> Iterator[tuple[str, Lock, str]]:
    """The tables, locks and work of one effect."""
    concurrent = "CONCURRENTLY" in sql.upper()
    match key.kind:
        case "index" if concurrent:
            yield key.relation, Lock.SHARE_UPDATE_EXCLUSIVE, "builds an index" if effect.after else ""
        case "index" if effect.before is None:
            yield key.relation, Lock.SHARE, "builds an index"
        case "trigger" if effect.before is None:
            yield key.relation, Lock.SHARE_ROW_EXCLUSIVE, ""
        case "foreign_key" if effect.before is None:
            work = "" if (effect.after or "").endswith(NOT_VALID) else "reads every row"
            yield key.relation, Lock.SHARE_ROW_EXCLUSIVE, work
            for table in re.findall(r" REFERENCES ([^\s(]+)\(", effect.after or ""):
                yield table, Lock.SHARE_ROW_EXCLUSIVE, ""
        case kind if kind in _CHECKED and effect.before == f"{effect.after}{NOT_VALID}":
            yield key.relation, Lock.SHARE_UPDATE_EXCLUSIVE, "reads every row"
        case _ if key.table:
            yield key.relation, Lock.ACCESS_EXCLUSIVE, _work(key, effect, sql)


def _work(key: Key, effect: Effect, sql: str) -> str:
    """What an effect under the strongest lock has to do with every row."""
    if effect.after is None:
        return ""
    if key.kind == "column":
        return _work_on_column(effect)
    if effect.before is not None:
        return ""
    if key.kind in _INDEXED:
        return "" if "USING INDEX" in sql.upper() else "builds an index"
    return "reads every row" if key.kind == "check" and not effect.after.endswith(NOT_VALID) else ""


def _work_on_column(effect: Effect) -> str:
    after = Column.parse(effect.after or "")
    if effect.before is None:
        stored = after.filled.startswith("generated") and not after.filled.endswith("virtual")
        return "rewrites it" if stored or _is_computed_for_each_row(after.filled) else ""
    before = Column.parse(effect.before)
    if not _is_stored_alike(before.type, after.type):
        return "rewrites it"
    return "reads every row" if after.required and not before.required else ""


def _is_computed_for_each_row(default: str) -> bool:
    plain = _ONCE.sub("", _TYPE.sub("", _LITERAL.sub("", default)))
    return _CALL.search(plain) is not None


def _is_stored_alike(before: str, after: str) -> bool:
    """Whether PostgreSQL changes a type without touching the rows."""
    old, new = _SIZED.fullmatch(before), _SIZED.fullmatch(after)
    if before == after:
        return True
    if old is None or new is None or (old["name"] == "numeric") != (new["name"] == "numeric"):
        return False
    if new["size"] is None:
        return True
    return old["size"] is not None and int(old["size"]) <= int(new["size"]) and old["scale"] == new["scale"]
