"""How PostgreSQL 13 and older print expressions that later majors print in SQL's own syntax.

They printed `(x AT TIME ZONE y)` as `timezone(y, x)`, and `EXTRACT(hour FROM x)` as `date_part('hour'::text, x)`; a
database that was restored from such a server's dump prints them so for ever. The spellings here mean the same and are
for a server to parse: the older one may have placed its parentheses differently.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .lexer import Lexeme, text_of, tokens

_SEPARATORS = {
    "EXTRACT": {"FROM"},
    "NORMALIZE": {","},
    "OVERLAY": {"PLACING", "FROM", "FOR"},
    "POSITION": {"IN"},
    "SUBSTRING": {"FROM", "FOR", "SIMILAR", "ESCAPE"},
    "TRIM": {"FROM"},
    "XMLEXISTS": {"PASSING"},
}
_TRIMS = {"BOTH": "btrim", "LEADING": "ltrim", "TRAILING": "rtrim"}
_NORMAL_FORMS = {"NFC", "NFD", "NFKC", "NFKD"}
_COMPARES = {"=", "<", ">", "<=", ">=", "<>"}
_SEPARATES = {"AND", "OR", "SELECT"}  # the operands on both sides are independent


def older_spellings(definition: str) -> tuple[str, ...]:
    """The texts that older majors may print for a definition; () where they print the same.

    EXTRACT is numeric and was double precision, so the values beside it are cast to another type.
    """
    spellings = (_rewritten(definition, with_doubles=True), _rewritten(definition, with_doubles=False))
    return tuple(dict.fromkeys(spelling for spelling in spellings if spelling != definition))


class _Piece(NamedTuple):
    """A lexeme, or a group in parentheses; `is_double` where its value comes from EXTRACT."""

    text: str
    word: str = ""
    is_double: bool = False


def _rewritten(definition: str, *, with_doubles: bool) -> str:
    """The definition with function calls in place of SQL's own syntax, from its innermost parentheses outwards."""
    open_groups: list[list[_Piece]] = [[]]
    for token in tokens(definition):
        if token.text == "(":
            open_groups.append([])
        elif token.text == ")" and len(open_groups) > 1:
            group = open_groups.pop()
            _close(group, open_groups[-1], with_doubles=with_doubles)
        else:
            open_groups[-1].append(_Piece(token.text, token.word))
    return "(".join(map(_text, open_groups))


def _close(group: Sequence[_Piece], before: list[_Piece], *, with_doubles: bool) -> None:
    """Appends a group to the pieces before it, as an older call or as it is."""
    name = before[-1].word if before else ""
    if name in _SEPARATORS and (call := _call(name, _arguments(group, _SEPARATORS[name]))):
        before[-1:] = [_Piece(call, is_double=name == "EXTRACT")]
    elif _text(before[-4:]) == "COLLATION FOR ":
        before[-4:] = [_Piece(f"pg_collation_for({_text(group)})")]
    else:
        is_double = any(piece.is_double for piece in group)
        text = _operator_call(group) or _text(group)
        if is_double and with_doubles and not any(piece.word in _SEPARATES for piece in group):
            text = _in_doubles(text)
        before.append(_Piece(f"({text})", is_double=is_double and not any(piece.text in _COMPARES for piece in group)))


def _text(pieces: Iterable[_Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def _arguments(group: Sequence[_Piece], separators: set[str]) -> list[str]:
    """The texts between separators; the FROM of IS DISTINCT FROM isn't one."""
    arguments, previous = [""], ""
    for piece in group:
        if (piece.word or piece.text) in separators and previous != "DISTINCT":
            arguments.append("")
        else:
            arguments[-1] += piece.text
        previous = piece.word or previous
    return [argument.strip() for argument in arguments]


def _call(name: str, arguments: Sequence[str]) -> str | None:
    """The call for a function in SQL's own syntax; None for others."""
    match name, arguments:
        case "EXTRACT", [part, source]:
            return f"date_part('{part}'::text, {source})"
        case "NORMALIZE", [source, form]:
            return f"\"normalize\"({source}, '{form.lower()}'::text)"
        case "POSITION", [part, source]:
            return f'"position"({source}, {part})'
        case "TRIM", [how, source]:
            side, _, characters = how.partition(" ")
            return f"{_TRIMS[side]}({source}{', ' if characters else ''}{characters})" if side in _TRIMS else None
        case ("NORMALIZE", [_]) | (("OVERLAY" | "SUBSTRING" | "XMLEXISTS"), [_, _, *_]):
            return f'"{name.lower()}"({", ".join(arguments)})'
    return None


def _operator_call(group: Sequence[_Piece]) -> str | None:
    """The call for an expression that is written like an operator; None for others."""
    if sides := _around(group, "AT", "TIME", "ZONE"):
        return f"timezone({sides[1]}, {sides[0]})"
    if sides := _around(group, "OVERLAPS"):
        return f'"overlaps"({sides[0][1:-1]}, {sides[1][1:-1]})'
    sides = _around(group, "IS")
    match sides[1].split() if sides else ():
        case ["NORMALIZED"]:
            return f"is_normalized({sides[0]})"  # type: ignore[index]  # the match needs both sides
        case [form, "NORMALIZED"] if form in _NORMAL_FORMS:
            return f"is_normalized({sides[0]}, '{form.lower()}'::text)"  # type: ignore[index]
    return None


def _around(group: Sequence[_Piece], *words: str) -> tuple[str, str] | None:
    """The texts before and after these words of a group, if it has them."""
    places = [at for at, piece in enumerate(group) if piece.text.strip()]
    for at in range(len(places) - len(words) + 1):
        run = places[at : at + len(words)]
        if tuple(group[place].word for place in run) == words:
            return _text(group[: run[0]]).strip(), _text(group[run[-1] + 1 :]).strip()
    return None


def _in_doubles(definition: str) -> str:
    """A definition with casts to double precision in place of numeric, except for casts of strings."""
    parts = list(tokens(definition))
    for at in range(1, len(parts) - 1):
        follows = parts[at + 2].text if at + 2 < len(parts) else ""
        if (parts[at - 1].text, parts[at].text, parts[at + 1].text) == (")", "::", "numeric") and follows != "(":
            parts[at + 1] = Lexeme("word", "double precision")
    return text_of(parts)
