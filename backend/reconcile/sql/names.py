"""names: identifiers as they are written -> as the catalogs hold them, and back; and text as a string."""

from reconcile.sql.lexer import Lexeme, significant

_TO_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")  # PostgreSQL folds no others


def unquoted(identifier: Lexeme) -> str:
    """The name that an identifier stands for."""
    if identifier.kind == "quoted":
        return identifier.text[1:-1].replace('""', '"')
    return identifier.text.translate(_TO_LOWER)


def names_in(qualified: str) -> tuple[str, ...]:
    """The names that a qualified one consists of: `app."T"` is of `app` and `T`."""
    return tuple(unquoted(token) for token in significant(qualified) if token.kind in {"word", "quoted"})


def quoted(*names: str) -> str:
    """A qualified name for SQL."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(value: str) -> str:
    """A text as a string for SQL, however the server reads backslashes elsewhere."""
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
