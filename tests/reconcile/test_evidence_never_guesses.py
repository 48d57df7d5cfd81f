"""Over whatever rows, what they are said to prove about a statement is true: it was run, or it was not."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, text

from reconcile.evidence import examine

TEXTS = st.sampled_from(["NULL", "'x'", "'X'", "'y'", "''"])
NUMBERS = st.sampled_from(["NULL", "0", "1", "2", "5"])
ROWS = st.lists(st.tuples(TEXTS, NUMBERS), min_size=1, max_size=3)

VALUES_FOR_B = st.one_of(
    TEXTS, st.sampled_from(["upper(a)", "a", "coalesce(b, a)", "nullif(a, 'x')", "b", "c", "md5(n::text)"])
)
VALUES_FOR_N = st.one_of(
    NUMBERS, st.sampled_from(["n + 1", "m", "m * 2", "1 - n", "length(a)", "5.4", "id", "coalesce(m, n)"])
)
ASSIGNMENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["b", "c"]), VALUES_FOR_B),
        st.tuples(st.sampled_from(["n", "p"]), VALUES_FOR_N),
        st.tuples(st.just("a"), TEXTS),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda assignment: assignment[0],
)
CONDITIONS = st.sampled_from(
    [
        "true",
        "a = 'x'",
        "a IS NULL",
        "b IS NULL",
        "b = 'x'",
        "n = 0",
        "n > 0",
        "m = 1",
        "id IN (1, 2)",
        "c IS NULL OR n = 0",
    ]
)
UPDATES = st.builds(
    lambda assignments, condition: f"UPDATE t SET {', '.join(map(' = '.join, assignments))} WHERE {condition}",
    ASSIGNMENTS,
    CONDITIONS,
)
INSERTS = st.one_of(
    st.builds("INSERT INTO w (a, n) VALUES ({}, {})".format, TEXTS, NUMBERS),
    st.builds("INSERT INTO w (a, n) VALUES ({}, 1), ('x', {})".format, TEXTS, NUMBERS),
    st.builds("INSERT INTO w (a, n) SELECT a, m FROM t WHERE {}".format, CONDITIONS),
    st.builds("INSERT INTO w (a) SELECT b FROM t WHERE {}".format, CONDITIONS),
    st.builds("INSERT INTO t (a) SELECT a FROM t WHERE {}".format, CONDITIONS),
    st.builds("INSERT INTO w (n) SELECT count(*) FROM t WHERE {}".format, CONDITIONS),
)
DELETES = st.builds("DELETE FROM t WHERE {}".format, CONDITIONS)


TABLES = """
CREATE TABLE t (id integer DEFAULT 9, a text, m integer,
    b text, c text DEFAULT 'y', n integer DEFAULT 0, p numeric(3, 0) DEFAULT 5);
CREATE TABLE w (id serial, a text, n integer)
"""
ADDED = [("t", column) for column in ("b", "c", "n", "p")]


@pytest.fixture(scope="module")
def transaction(server_address: str) -> Iterator[Connection]:
    """A transaction, rolled back in the end, with a table whose last columns a revision added, and one that it made."""
    engine = create_engine(server_address.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        connection.execute(text("CREATE SCHEMA guesses"))
        connection.execute(text("SET LOCAL search_path = guesses"))
        connection.exec_driver_sql(TABLES)
        yield connection
    engine.dispose()


def contents(connection: Connection) -> tuple[object, ...]:
    return tuple(connection.execute(text(f"SELECT * FROM {table} ORDER BY {table}")).all() for table in ("t", "w"))


def check(connection: Connection, rows: list[tuple[str, str]], statement: str, *, has_run: bool) -> None:
    """Examines a statement over rows on which it ran or did not."""
    with connection.begin_nested() as savepoint:
        if rows:
            values = ", ".join(f"({number}, {a}, {m})" for number, (a, m) in enumerate(rows))
            connection.execute(text(f"INSERT INTO t (id, a, m) VALUES {values}"))
        if has_run:
            connection.execute(text(statement))
        before = contents(connection)
        found = examine(connection, statement, created_tables=["w"], added_columns=ADDED)
        assert contents(connection) == before
        if found is not None and found.ran is not None:
            assert found.ran is has_run or is_done(connection, statement), found
        elif found is not None:
            assert is_done(connection, statement), found
        savepoint.rollback()


def is_done(connection: Connection, statement: str) -> bool:
    """Whether a statement has nothing left to do."""
    before = contents(connection)
    connection.execute(text(statement))
    return contents(connection) == before


@given(rows=ROWS, statement=UPDATES, has_run=st.booleans())
@settings(max_examples=250, deadline=None)
def test_an_update_is_never_guessed_at(
    transaction: Connection, rows: list[tuple[str, str]], statement: str, *, has_run: bool
) -> None:
    check(transaction, rows, statement, has_run=has_run)


@given(rows=ROWS, statement=st.one_of(INSERTS, DELETES), has_run=st.booleans())
@settings(max_examples=150, deadline=None)
def test_an_insert_or_a_delete_is_never_guessed_at(
    transaction: Connection, rows: list[tuple[str, str]], statement: str, *, has_run: bool
) -> None:
    check(transaction, rows, statement, has_run=has_run)
