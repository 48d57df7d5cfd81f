"""split: a text of several SQL statements -> each of them. It knows quotes, dollar quotes and comments, and no more."""

import re
from itertools import groupby

_PIECE = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ | --[^\n]* | /\*.*?\*/ | .""",
    re.DOTALL | re.VERBOSE,
)


def split(sql: str) -> tuple[str, ...]:
    """The statements in a text, without the semicolons between them."""
    pieces = (match[0] for match in _PIECE.finditer(sql))
    texts = ("".join(group).strip() for ends, group in groupby(pieces, key=lambda piece: piece == ";") if not ends)
    return tuple(text for text in texts if text)
