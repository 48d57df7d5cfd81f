"""Converts identifiers between SQL and the catalogs, and quotes strings."""

import re

from .lexer import Lexeme, significant

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*")
_TO_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")  # PostgreSQL folds no others


def unquoted(identifier: Lexeme) -> str:
    """The name in the catalogs of an identifier in SQL."""
    if identifier.kind == "quoted":
        return identifier.text[1:-1].replace('""', '"')
    return identifier.text.translate(_TO_LOWER)


def names_in(qualified: str) -> tuple[str, ...]:
    """The parts of a qualified name: `app` and `T` for `app."T"`."""
    if _PLAIN.fullmatch(qualified):
        return tuple(qualified.split("."))
    return tuple(unquoted(token) for token in significant(qualified) if token.kind in {"word", "quoted"})


def quoted(*names: str) -> str:
    """A qualified name for SQL."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(value: str) -> str:
    """A text as an SQL string, with any setting of `standard_conforming_strings`."""
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
