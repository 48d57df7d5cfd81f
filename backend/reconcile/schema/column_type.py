"""Whether a column of one type stores every value of another type unchanged.

Only types of one family are compared: where others have made a column wider, it stays so.
"""

import re
from math import inf

_COLLATED = re.compile(r"(?P<type>.+?)(?: collate (?P<collation>.+))?")
_TYPE = re.compile(
    r"(?P<name>[a-z ]+?)(?:\((?P<size>\d+)(?:,(?P<scale>-?\d+))?\))?"
    r"(?P<rest>(?: with(?:out)? time zone)?(?:\[\])*)"
)
_LADDERS = (("smallint", "integer", "bigint"), ("real", "double precision"))
_LENGTHS = {"character varying": "text", "text": "text", "bit varying": "bits"}
_CLOCKS = {"timestamp", "time", "interval"}
_MICROSECONDS = 6
# Collations of PostgreSQL's own are deterministic: values with different bytes are different. Others may not be.
_OF_POSTGRESQL = re.compile(
    r"\"(?:C|POSIX|C\.[Uu][Tt][Ff]-?8|[A-Za-z-]+-x-icu|[a-z]{2,3}_[A-Z]{2}(?:\.[\w-]+)?(?:@\w+)?)\""
    r"|ucs_basic|unicode|pg_c_utf8|pg_unicode_fast"
)


def takes(narrow: str, wide: str) -> bool:
    """Whether a column of type `wide` serves in place of one of type `narrow`, both as `format_type` spells them.

    A collation of PostgreSQL's own changes only the order, and rejects nothing.
    """
    expected, actual = _COLLATED.fullmatch(narrow), _COLLATED.fullmatch(wide)
    if expected is None or actual is None:  # pragma: no cover - the pattern takes any text
        return False
    if expected["collation"] != actual["collation"] and (
        expected["collation"] is not None or not _OF_POSTGRESQL.fullmatch(actual["collation"])
    ):
        return False
    return expected["type"] == actual["type"] or _is_within(expected["type"], actual["type"])


def _is_within(narrow: str, wide: str) -> bool:
    small, large = _TYPE.fullmatch(narrow), _TYPE.fullmatch(wide)
    if not small or not large or small["rest"] != large["rest"]:
        return False
    lower, higher = small["name"], large["name"]
    if any({lower, higher} <= set(ladder) for ladder in _LADDERS):
        ladder = next(ladder for ladder in _LADDERS if lower in ladder)
        return ladder.index(lower) <= ladder.index(higher)
    if lower in _LENGTHS:
        return _LENGTHS[lower] == _LENGTHS.get(higher) and _size(small) <= _size(large)
    if lower != higher:
        return False
    if lower == "numeric":
        return large["size"] is None or (small["size"] is not None and _has_room(small, large))
    return lower in _CLOCKS and _size(small, _MICROSECONDS) <= _size(large, _MICROSECONDS)


def _size(type_: re.Match[str], unlimited: float = inf) -> float:
    return unlimited if type_["size"] is None else int(type_["size"])


def _has_room(small: re.Match[str], large: re.Match[str]) -> bool:
    """Whether `large` has at least as many digits before and after the point."""
    (digits, behind), (more, more_behind) = ((int(one["size"]), int(one["scale"] or 0)) for one in (small, large))
    return behind <= more_behind and digits - behind <= more - more_behind
