"""Finds our large tables, counting up to the limit only: PostgreSQL's estimates may be years old."""

from collections.abc import Collection

from sqlalchemy import Connection, text

from ..schema.schema import Key, tables_in
from ..tape.tape import Tape


def large_tables(connection: Connection, tape: Tape, present: Collection[Key], *, row_limit: int) -> frozenset[str]:
    """Those of our tables that have more than `row_limit` rows; `present` are the observed keys.

    It needs the search path that `observe` pins.
    """
    tables = sorted(tables_in(present) & tape.tables)
    if not tables:
        return frozenset()
    counts = "\nUNION ALL ".join(
        f"SELECT '{name.replace(chr(39), chr(39) * 2)}', count(*) FROM (SELECT FROM {name} LIMIT {row_limit + 1}) t"  # noqa: S608 - quoted identifiers
        for name in tables
    )
    return frozenset(name for name, count in connection.execute(text(counts)) if count > row_limit)
