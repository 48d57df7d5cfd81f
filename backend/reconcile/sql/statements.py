"""What a single statement may do besides changing the schema, judged by its text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .lexer import Lexeme, outside_parentheses, significant

_CHANGES_ROWS = {"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE"}
_MAY_DO_ANYTHING = {"DO", "CALL", "EXECUTE", "REFRESH"}
_QUERIES = {"SELECT", "WITH", "VALUES", "TABLE", "EXECUTE"}
_VERBS = {("INSERT", "INTO"), ("DELETE", "FROM"), ("MERGE", "INTO")}
_ENDS = {"COMMIT", "END", "ROLLBACK", "ABORT"}


@dataclass(frozen=True)
class Abilities:
    """What a statement may do, apart from what functions do that it calls.

    `copies_rows`: it creates a table and fills it by a query. `returns_rows`: it changes rows, and returns some.
    """

    moves_rows: bool = False
    may_do_anything: bool = False
    copies_rows: bool = False
    returns_rows: bool = False
    begins_transaction: bool = False
    ends_transaction: bool = False


def read_statement(sql: str) -> Abilities:
    """What a single statement may do, judged by its text."""
    words = _executed([token for token in significant(sql) if token.text != ";"])
    return Abilities(
        moves_rows=_moves_rows(words),
        may_do_anything=_verb(words) in _MAY_DO_ANYTHING,
        copies_rows=_copies_rows(words),
        returns_rows=any(token.word == "RETURNING" for token in words),
        begins_transaction=_verb(words) == "BEGIN" or _starts(words, "START", "TRANSACTION"),
        ends_transaction=_ends_transaction(words),
    )


def _executed(words: Sequence[Lexeme]) -> Sequence[Lexeme]:
    """The statement that EXPLAIN ANALYZE executes; otherwise the statement itself."""
    if _verb(words) != "EXPLAIN" or not any(token.word in {"ANALYZE", "ANALYSE"} for token in words):
        return words
    verbs = _CHANGES_ROWS | _QUERIES | {"CREATE", "REFRESH"}
    return next((words[at:] for at, token in enumerate(words) if token.word in verbs), words)


def _verb(words: Sequence[Lexeme]) -> str:
    return next((token.word for token in words if token.text != "("), "")


def _starts(words: Sequence[Lexeme], *expected: str) -> bool:
    return tuple(token.word for token in words[: len(expected)]) == expected


def _moves_rows(words: Sequence[Lexeme]) -> bool:
    if _verb(words) == "COPY":
        return any(token.word == "FROM" for token in outside_parentheses(words)) or _changes_rows_within(words)
    return _verb(words) in _CHANGES_ROWS or (_verb(words) == "WITH" and _changes_rows_within(words))


def _changes_rows_within(words: Sequence[Lexeme]) -> bool:
    """Whether an INSERT, UPDATE, DELETE or MERGE begins after a parenthesis, or after the clauses of a WITH."""
    return any(
        _is_verb(words[at].word, words[at + 1])
        and (words[at - 1].text in {"(", ")"} or words[at - 2].word in {"SET", "USING", "DEFAULT"})
        for at in range(2, len(words) - 1)
    )


def _is_verb(word: str, following: Lexeme) -> bool:
    """Whether a word is a verb and not a name, by the lexeme after it."""
    if word == "UPDATE":
        return following.kind in {"word", "quoted"} and following.word not in {"FROM", "WHERE", "AS"}
    return (word, following.word) in _VERBS


def _copies_rows(words: Sequence[Lexeme]) -> bool:
    if _verb(words) in {"SELECT", "WITH"}:
        return any(
            token.word == "INTO" and (before.word or before.text) not in {"INSERT", "MERGE", "AS", "."}
            for before, token in pairwise(words)
        )
    creates_table = _verb(words) == "CREATE" and "TABLE" in [token.word for token in words[1:6]]
    return creates_table and _has_query(words) and not _ends_with_no_data(words)


def _has_query(words: Sequence[Lexeme]) -> bool:
    return any(
        token.word == "AS" and (following.word in _QUERIES or following.text == "(")
        for token, following in pairwise(outside_parentheses(words))
    )


def is_with_no_data(sql: str) -> bool:
    """Whether a statement has WITH NO DATA."""
    return _ends_with_no_data([token for token in significant(sql) if token.text != ";"])


def _ends_with_no_data(words: Sequence[Lexeme]) -> bool:
    return [token.word for token in words[-3:]] == ["WITH", "NO", "DATA"]


def _ends_transaction(words: Sequence[Lexeme]) -> bool:
    """Whether it ends the transaction, as ROLLBACK TO doesn't."""
    if _starts(words, "PREPARE", "TRANSACTION"):
        return True
    return _verb(words) in _ENDS and not any(token.word in {"TO", "PREPARED"} for token in words)
