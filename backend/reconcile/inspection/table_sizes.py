"""table_sizes: which of our tables are large, counted no further than the limit: an estimate may be years old."""

from collections.abc import Collection

from sqlalchemy import Connection, text

from reconcile.schema.schema import Key, tables_in
from reconcile.tape.tape import Tape


def large_tables(connection: Connection, tape: Tape, present: Collection[Key], *, row_limit: int) -> frozenset[str]:
    """Those of our tables that hold more than `row_limit` rows; `present` are the keys that were observed.

    The search path is the one that `observe` pinned.
    """
    tables = sorted(tables_in(present) & tape.tables)
    if not tables:
        return frozenset()
    counts = "\nUNION ALL ".join(
        f"SELECT '{name.replace(chr(39), chr(39) * 2)}', count(*) FROM (SELECT FROM {name} LIMIT {row_limit + 1}) t"  # noqa: S608 - quoted identifiers
        for name in tables
    )
    return frozenset(name for name, count in connection.execute(text(counts)) if count > row_limit)
