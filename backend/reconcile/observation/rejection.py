"""rejection: whether an object on our tables that nobody here knows rejects what this code writes.

Only the catalogs are asked. Where they can't tell, a project's own probe may find out (see probe.py). What is written
to a column of others is known: nothing, so it is NULL, or what the column fills in by itself.
"""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import groupby, pairwise

from ..schema.column import Column
from ..schema.compatibility import UNENFORCED
from ..schema.schema import INVALID, Difference, Key, Schema
from ..sql.lexer import Lexeme, significant
from .observe import Observation

_KEY = re.compile(
    r"(?:PRIMARY KEY|UNIQUE(?: USING btree)?)(?P<before> NULLS NOT DISTINCT)? \((?P<columns>[^()]*)\)"
    r"(?: INCLUDE \([^()]*\))?(?P<after> NULLS NOT DISTINCT)?(?: WHERE (?P<condition>.+))?"
)
_FOREIGN_KEY = re.compile(r"FOREIGN KEY \((?P<columns>[^()]*)\) REFERENCES ")
_EXCLUDED = re.compile(r"(\"(?:[^\"]|\"\")+\"|[\w$]+) WITH ")
_PASSES_NULL = {"AND", "OR", "NOT", "ANY", "ALL", "ARRAY", "CHECK"}
_OF_TYPES = {"VARYING", "PRECISION", "WITH", "WITHOUT", "TIME", "ZONE"}
_STRICT = {"=", "<>", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*", "~", "~*", "+", "-", "*", "/", "%", "::"}


class Rejection(StrEnum):
    """Whether writes are rejected."""

    NONE = "none"
    UNKNOWN = "unknown"
    SURE = "sure"


class _Written(StrEnum):
    """What our inserts put into a column."""

    BY_US = "by us"
    NULL = "null"
    DISTINCT = "distinct"
    DEFAULT = "default"


def rejection(item: Difference, observation: Observation, ours: Schema) -> Rejection:  # noqa: C901 - a table of cases
    """Whether an object of others rejects what is written by a code that knows the objects of `ours`."""
    text, key = (item.actual or "").removesuffix(INVALID), item.key
    written = _Writes(key, observation.schema, ours)
    if text.endswith(UNENFORCED):
        return Rejection.NONE
    match key.kind:
        case "column":
            return _surely(Column.parse(text).can_reject_insert)
        case "index" if not text.startswith("UNIQUE "):
            return Rejection.NONE
        case "index" | "unique" | "primary_key":
            return _surely(not _is_implied(key, text, {**ours, **observation.schema}) and written.may_repeat(text))
        case "foreign_key":
            return written.by_foreign_key(text)
        case "check":
            return written.by_check(text)
        case "exclude":
            return _surely(_Written.NULL not in written.into(_EXCLUDED.findall(text)))
        case "row_security":
            return _surely(key in observation.details and not _lets_in(key, observation.schema))
        case "rule":
            return _surely(" DO INSTEAD" in text and not text.partition(" DO INSTEAD")[0].rpartition("ON SELECT")[1])
        case "trigger" if " BEFORE " in text.partition(" ON ")[0] and " enabled=D" not in text:
            return Rejection.UNKNOWN
        case "policy" if Key("row_security", key.schema, key.table, "") in observation.details:
            return Rejection.UNKNOWN
    return Rejection.NONE


def _surely(rejects: bool) -> Rejection:  # noqa: FBT001 - the question itself
    return Rejection.SURE if rejects else Rejection.NONE


class _Writes:
    """What our writes put into the columns of a table."""

    def __init__(self, on: Key, observed: Schema, ours: Schema) -> None:
        self._table = (on.schema, on.table)
        self._observed = self._columns(observed)
        self._ours = self._columns(ours)

    def _columns(self, schema: Schema) -> dict[str, Column]:
        return {
            key.name: Column.parse(text)
            for key, text in schema.items()
            if key.kind == "column" and key[1:3] == self._table
        }

    def into(self, names: Iterable[str]) -> set[_Written]:
        """What is put into some columns; of what isn't known to be another's column it may be anything."""
        return {self._into(name) for name in names}

    def _into(self, name: str) -> _Written:
        column = self._observed.get(name)
        if column is None or name in self._ours:
            return _Written.BY_US
        if column.fills_distinct:
            return _Written.DISTINCT
        return _Written.DEFAULT if column.filled else _Written.NULL

    def may_repeat(self, text: str) -> bool:
        """Whether two of our rows may be equal to a unique key: NULL is equal to nothing."""
        match = _KEY.fullmatch(text)
        if match is None:
            return True
        if match["condition"] and self._never_holds(match["condition"]):
            return False
        into = self.into(match["columns"].split(", "))
        nulls_differ = not match["before"] and not match["after"]
        return _Written.DISTINCT not in into and not (nulls_differ and _Written.NULL in into)

    def by_foreign_key(self, text: str) -> Rejection:
        """NULL in one column passes, or in all of them if they have to match in full."""
        match = _FOREIGN_KEY.match(text)
        into = self.into(match["columns"].split(", ")) if match else {_Written.BY_US}
        if into == {_Written.NULL} or (_Written.NULL in into and " MATCH FULL" not in text):
            return Rejection.NONE
        return Rejection.SURE if into & {_Written.BY_US, _Written.NULL} else Rejection.UNKNOWN

    def by_check(self, text: str) -> Rejection:
        """What a condition says of columns that we don't write; one over ours may always reject."""
        tokens = list(significant(text.removesuffix(" NOT VALID").removesuffix(" NO INHERIT")))
        if [token.word for token in tokens[1:-1] if token.text not in {"(", ")"}] == ["TRUE"]:
            return Rejection.NONE
        names = [token.text for token in tokens if token.text in self._observed]
        into = self.into(names)
        if _says_not_null(tokens, names) and names[0] in self._ours and self._ours[names[0]].required:
            return Rejection.NONE
        if not names or _Written.BY_US in into or any(token.text == "." for token in tokens):
            return Rejection.SURE
        if into == {_Written.NULL} and self._is_strict(tokens):
            return Rejection.NONE
        return Rejection.SURE if _Written.NULL in into and not self._is_strict(tokens) else Rejection.UNKNOWN

    def _never_holds(self, condition: str) -> bool:
        """Whether a condition isn't true of any row of ours."""
        tokens = list(significant(condition))
        names = [token.text for token in tokens if token.text in self._observed]
        if [token.word for token in tokens if token.text not in {"(", ")"}] == ["FALSE"]:
            return True
        if self.into(names) != {_Written.NULL}:
            return False
        return _says_not_null(tokens, names) or self._is_strict(tokens)

    def _is_strict(self, tokens: Sequence[Lexeme]) -> bool:
        """Whether a condition over NULL alone is NULL, so that it neither holds nor is broken; each part names one."""
        all_strict = all(
            token.kind in {"string", "number"}
            or token.text in {"(", ")", ",", "[", "]"}
            or (token.kind == "operator" and token.text in _STRICT)
            or token.text in self._observed
            or token.word in _PASSES_NULL | _OF_TYPES
            or before.text == "::"
            for before, token in pairwise([Lexeme("space", ""), *tokens])
        )
        parts = [list(part) for of_words, part in groupby(tokens, key=_joins) if not of_words]
        return all_strict and all(any(token.text in self._observed for token in part) for part in parts)


def _joins(token: Lexeme) -> bool:
    return token.word in {"AND", "OR"}


def _says_not_null(tokens: Iterable[Lexeme], names: list[str]) -> bool:
    """Whether a condition is that one column isn't NULL, and nothing else."""
    words = [token.text for token in tokens if token.text not in {"(", ")"} and token.word != "CHECK"]
    return len(names) == 1 and words == [names[0], "IS", "NOT", "NULL"]


def _is_implied(key: Key, text: str, schema: Schema) -> bool:
    """Whether a key never rejects what another key, over some of its columns, lets in."""
    own = _columns_of_key(text.partition(" WHERE ")[0])  # some rows are no more than all
    return own is not None and any(
        other is not None and other[0] <= own[0] and other[1] >= own[1]
        for strong, definition in schema.items()
        if strong != key and strong[1:3] == key[1:3] and strong.kind in ("unique", "primary_key", "index")
        for other in (_columns_of_key(definition.removesuffix(INVALID)),)
    )


def _columns_of_key(definition: str) -> tuple[frozenset[str], bool] | None:
    """The columns of a key without a condition, and whether NULL is equal to NULL in it, or isn't taken at all."""
    match = _KEY.fullmatch(definition)
    if match is None or match["condition"]:
        return None
    strict = bool(match["before"] or match["after"]) or definition.startswith("PRIMARY KEY")
    return frozenset(match["columns"].split(", ")), strict


def _lets_in(key: Key, schema: Schema) -> bool:
    """Whether a permissive policy lets some inserts through row security; without one it lets none."""
    return any(
        policy.kind == "policy"
        and policy[1:3] == key[1:3]
        and text.startswith(("permissive for *", "permissive for a"))
        for policy, text in schema.items()
    )
