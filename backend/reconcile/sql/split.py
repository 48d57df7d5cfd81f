"""Splits a text into its SQL statements."""

from collections.abc import Iterator

from .lexer import Lexeme, significant, text_of, tokens

_SILENT = {"space", "comment", "meta"}
_NAMES_FOLLOW = {"AS", "."}  # words after these are names, even CASE and END


def split(sql: str) -> tuple[str, ...]:
    """The statements in a text, without semicolons; a comment stays with the statement after it."""
    return tuple(text_of(part).strip() for part in _parts(sql) if any(token.kind not in _SILENT for token in part))


def first_word(sql: str) -> str:
    """A statement's first word in capitals, after comments and opening parentheses."""
    return next((token.word for token in significant(sql) if token.text != "("), "")


def without_meta_commands(sql: str) -> str:
    r"""A text without pg_dump's commands to psql (`\restrict`, `\connect`)."""
    return text_of(token for token in tokens(sql) if token.kind != "meta")


def _parts(sql: str) -> Iterator[list[Lexeme]]:
    part: list[Lexeme] = []
    nesting = _Nesting()
    for token in tokens(sql):
        nesting.read(token)
        if token.text == ";" and not nesting.depth:
            yield part
            part, nesting = [], _Nesting()
        else:
            part.append(token)
    yield part


class _Nesting:
    """The nesting of a statement in parentheses and function bodies, where semicolons don't end it."""

    def __init__(self) -> None:
        self._parentheses = 0
        self._body = 0
        self._previous = ""

    @property
    def depth(self) -> int:
        return self._parentheses + self._body

    def read(self, token: Lexeme) -> None:
        if token.kind in _SILENT:
            return
        if token.kind == "punctuation":
            self._parentheses = max(0, self._parentheses + (token.text == "(") - (token.text == ")"))
        elif self._previous == "BEGIN" and token.word == "ATOMIC":
            self._body += 1
        elif self._body and self._previous not in _NAMES_FOLLOW:
            self._body += (token.word == "CASE") - (token.word == "END")
        self._previous = token.word or token.text
