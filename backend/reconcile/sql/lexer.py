"""Splits SQL into the lexemes that PostgreSQL sees.

`standard_conforming_strings` is taken to be on, its default. An unclosed string or comment extends to the end of the
text. The texts of all lexemes, joined, are the text.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal[
    "string", "quoted", "word", "number", "parameter", "operator", "punctuation", "space", "comment", "meta"
]

_LETTER = "A-Za-z_\x80-\U0010ffff"  # to PostgreSQL each byte above ASCII is a letter
_SPACE = r"[ \t\n\r\f\v]"
_TO_NEXT_LINE = (
    rf"(?:[ \t\f\v]++|--[^\n\r]*+)*+[\n\r](?:{_SPACE}++|--[^\n\r]*+[\n\r])*+"  # a string may be continued after it
)
_ESCAPED = r"'(?:[^'\\]++|''|\\.)*+(?:\\\Z|')?"
_CLEAR = r"(?!--|/\*)"  # a comment ends an operator
_COMMENT_EDGE = re.compile(r"/\*|\*/")


class Lexeme(NamedTuple):
    """A lexeme; `meta` is a command to psql, on a line of its own."""

    kind: Kind
    text: str

    @property
    def word(self) -> str:
        """The word in capitals; empty for other lexemes, such as a quoted name."""
        return self.text.upper() if self.kind == "word" else ""


@cache  # it takes long to compile, and a database that is up to date has nothing to split
def _token() -> re.Pattern[str]:
    return re.compile(
        rf"""
      (?P<space>{_SPACE}+)
    | (?P<comment>--[^\n\r]*)
    | (?P<nested>/\*)
    | (?P<string>
          [eE]{_ESCAPED}(?:{_TO_NEXT_LINE}{_ESCAPED})*
        | (?:[bBnNxX]|[uU]&)?'[^']*+(?:''[^']*+)*+'?
        | \$(?P<tag>(?:[{_LETTER}][{_LETTER}0-9]*)?)\$(?:.*?\$(?P=tag)\$|.*)
      )
    | (?P<quoted>(?:[uU]&)?"[^"]*+(?:""[^"]*+)*+"?)
    | (?P<word>[{_LETTER}][{_LETTER}0-9$]*)
    | (?P<number>
          0[xX][0-9A-Fa-f_]+ | 0[oO][0-7_]+ | 0[bB][01_]+
        | (?:[0-9][0-9_]*(?:\.(?!\.)[0-9_]*)?|(?<!\.)\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?
      )
    | (?P<parameter>\$[0-9]+)
    | (?P<meta>^\\[^\n]*)
    | (?P<operator>
          ::|:=
        | (?=(?:{_CLEAR}[-+*/<>=])*{_CLEAR}[~!@\#%^&|`?])(?:{_CLEAR}[-+*/<>=~!@\#%^&|`?])+
        | (?:{_CLEAR}[-+*/<>=])*{_CLEAR}[*/<>=]
        | [-+]
      )
    | (?P<punctuation>.)
    """,
        re.DOTALL | re.VERBOSE | re.MULTILINE,
    )


def tokens(sql: str) -> Iterator[Lexeme]:
    """All lexemes of a text, including space and comments."""
    position, match_at = 0, _token().match
    while match := match_at(sql, position):
        kind, position = match.lastgroup, match.end()
        if kind == "nested":
            position = _end_of_comment(sql, position)
            yield Lexeme("comment", sql[match.start() : position])
        else:
            yield Lexeme(kind, match[0])  # type: ignore[arg-type]  # the names of the pattern's outer groups


def significant(sql: str) -> Iterator[Lexeme]:
    """The lexemes without space, comments and commands to psql."""
    return (token for token in tokens(sql) if token.kind not in {"space", "comment", "meta"})


def outside_parentheses(parts: Iterable[Lexeme]) -> Iterator[Lexeme]:
    """The lexemes outside of parentheses, and the opening parentheses."""
    depth = 0
    for part in parts:
        depth -= part.text == ")"
        if depth == 0 and part.text != ")":
            yield part
        depth += part.text == "("


def text_of(parts: Iterable[Lexeme]) -> str:
    """The text of lexemes."""
    return "".join(part.text for part in parts)


def _end_of_comment(sql: str, position: int) -> int:
    """The end of a comment, which may contain others."""
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(sql, position)
        if edge is None:
            return len(sql)
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position
