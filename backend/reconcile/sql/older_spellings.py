"""older_spellings: how PostgreSQL 13 and older print what later majors print in SQL's own syntax.

`(x AT TIME ZONE y)` was printed as `timezone(y, x)`, `EXTRACT(hour FROM x)` as `date_part('hour'::text, x)`; a database
that was restored from such a server's dump prints them so for ever. The spellings here mean the same and are for a
server to read: the older one may have placed its parentheses otherwise.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reconcile.sql.lexer import Lexeme, text_of, tokens

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
_SEPARATES = {"AND", "OR", "SELECT"}  # what stands on one side of these has nothing to do with the other side


def older_spellings(definition: str) -> tuple[str, ...]:
    """What older majors may print for a definition that the catalogs print so; () where they print the same.

    EXTRACT is numeric and was double precision: what stood beside it was cast to the one, and is to the other.
    """
    spellings = (_rewritten(definition, with_doubles=True), _rewritten(definition, with_doubles=False))
    return tuple(dict.fromkeys(spelling for spelling in spellings if spelling != definition))


class _Piece(NamedTuple):
    """A token, or all that stands between two parentheses; `is_double` where its value comes from EXTRACT."""

    text: str
    word: str = ""
    is_double: bool = False


def _rewritten(definition: str, *, with_doubles: bool) -> str:
    """The definition with calls for what isn't written as one, from its innermost parentheses outwards."""
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
    """Puts a group behind what stands before it: as an older call, or as it is."""
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
    """The texts between the separators; the FROM of IS DISTINCT FROM is none."""
    arguments, previous = [""], ""
    for piece in group:
        if (piece.word or piece.text) in separators and previous != "DISTINCT":
            arguments.append("")
        else:
            arguments[-1] += piece.text
        previous = piece.word or previous
    return [argument.strip() for argument in arguments]


def _call(name: str, arguments: Sequence[str]) -> str | None:
    """The call that a function in SQL's own syntax stands for; None where it is none of these."""
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
    """The call that what is written like an operator stands for; None where a group is none of these."""
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
    """The texts before and behind these words, if they stand in a group."""
    places = [at for at, piece in enumerate(group) if piece.text.strip()]
    for at in range(len(places) - len(words) + 1):
        run = places[at : at + len(words)]
        if tuple(group[place].word for place in run) == words:
            return _text(group[: run[0]]).strip(), _text(group[run[-1] + 1 :]).strip()
    return None


def _in_doubles(definition: str) -> str:
    """A definition with casts to double precision for those to numeric; a string that is made a numeric stays one."""
    parts = list(tokens(definition))
    for at in range(1, len(parts) - 1):
        follows = parts[at + 2].text if at + 2 < len(parts) else ""
        if (parts[at - 1].text, parts[at].text, parts[at + 1].text) == (")", "::", "numeric") and follows != "(":
            parts[at + 1] = Lexeme("word", "double precision")
    return text_of(parts)
