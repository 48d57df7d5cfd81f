"""The statements by which a recreated sequence numbers its columns again.

It belongs to the column that the chain made it with, and goes on after the last value in the rows, since its own
last value is lost.
"""

from collections.abc import Iterator

from ..schema.column import Column
from ..schema.schema import Key, Schema, unquoted
from ..sql.lexer import significant
from ..sql.names import names_in
from ..tape.tape import Tape
from .normalize import nextval


def numbering(sequence: Key, schema: Schema, tape: Tape) -> Iterator[str]:
    """The statements for a recreated sequence that numbers columns of `schema`."""
    columns = [
        key
        for key, text in schema.items()
        if key.kind == "column" and Column.parse(text).filled == f"default {nextval(sequence)}"
    ]
    if not columns:
        return
    if _is_made_with_column(sequence, columns[0], tape):
        yield f"ALTER SEQUENCE {sequence.path} OWNED BY {columns[0].relation}.{columns[0].name}"
    yield from (
        statement.sql
        for statement in tape.statements
        if statement.kind == "neutral"
        and {"SEQUENCE", "OWNED"} <= _words(statement.sql)
        and unquoted(sequence.name) in names_in(statement.sql)
    )
    yield _behind_values(sequence, columns, schema[sequence])


def _is_made_with_column(sequence: Key, column: Key, tape: Tape) -> bool:
    """Whether `serial` made it, under any name; for sequences of the base the name tells."""
    for statement in reversed(list(tape.statements)):
        effect = statement.effects.get(sequence)
        if effect is not None and effect.before is None:
            former = (key for key, other in statement.effects.items() if key.kind == "sequence" and not other.after)
            renamed = next(former, None)
            if renamed is None:
                return "SEQUENCE" not in _words(statement.sql)
            sequence = renamed
    return unquoted(sequence.name) == f"{unquoted(column.table)}_{unquoted(column.name)}_seq"


def _words(sql: str) -> set[str]:
    return {token.word for token in significant(sql)}


def _behind_values(sequence: Key, columns: list[Key], text: str) -> str:
    """Moves a sequence to the last of its columns' values, unless all of them are before its start."""
    words = text.split()
    start, down = words[words.index("start") + 1], words[words.index("increment") + 1].startswith("-")
    last, beyond = ("min", "<=") if down else ("max", ">=")
    values = " UNION ALL ".join(f"SELECT {last}({column.name}) FROM {column.relation}" for column in columns)  # noqa: S608 - quoted
    name = sequence.path.replace("'", "''")
    return (
        f"SELECT pg_catalog.setval('{name}', CAST({last}(n) AS bigint)) FROM ({values}) AS of_columns (n)"  # noqa: S608 - quoted
        f" HAVING {last}(n) {beyond} {start}"
    )
