"""Over whatever rows, what they are said to prove about a statement is true: it was run, or it was not."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, text

from reconcile.evidence import Finding, examine

TEXTS = st.sampled_from(["NULL", "'x'", "'X'", "'y'", "''"])
NUMBERS = st.sampled_from(["NULL", "0", "1", "2", "5"])
X = ("'x'", "1")
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
CREATE TABLE w (a text, n integer)
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
        insert(connection, rows)
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
@settings(max_examples=120, deadline=None)
def test_an_update_is_never_guessed_at(
    transaction: Connection, rows: list[tuple[str, str]], statement: str, *, has_run: bool
) -> None:
    check(transaction, rows, statement, has_run=has_run)


@given(rows=ROWS, statement=st.one_of(INSERTS, DELETES), has_run=st.booleans())
@settings(max_examples=100, deadline=None)
def test_an_insert_or_a_delete_is_never_guessed_at(
    transaction: Connection, rows: list[tuple[str, str]], statement: str, *, has_run: bool
) -> None:
    check(transaction, rows, statement, has_run=has_run)


@given(
    rows=ROWS,
    statements=st.lists(st.one_of(UPDATES, INSERTS, DELETES), min_size=2, max_size=4),
    ran=st.integers(min_value=0, max_value=4),
)
@example(
    rows=[X], statements=["INSERT INTO w (a) VALUES ('q')", "INSERT INTO t (a) SELECT a FROM w", "DELETE FROM w"], ran=3
)
@example(rows=[X], statements=["UPDATE t SET b = 'X' WHERE a = 'y'", "INSERT INTO t (a) VALUES ('y')"], ran=2)
@example(rows=[X], statements=["UPDATE t SET b = 'X'", "UPDATE t SET b = 'Y'", "UPDATE t SET b = 'X'"], ran=1)
@settings(max_examples=120, deadline=None)
def test_a_revision_goes_on_where_it_stopped_or_nothing_is_proved(
    transaction: Connection, rows: list[tuple[str, str]], statements: list[str], ran: int
) -> None:
    """Statements run in order, so that one that ran or has not speaks for those before or behind it."""
    with transaction.begin_nested() as savepoint:
        insert(transaction, rows)
        run(transaction, statements[:ran])
        findings = [
            examine(
                transaction,
                statement,
                created_tables=["w"],
                added_columns=ADDED,
                earlier=statements[:at],
                later=statements[at + 1 :],
            )
            for at, statement in enumerate(statements)
        ]
        place = first_not_run(findings)
        if place is not None:
            assert contents_after(transaction, statements[place:]) == contents_after(transaction, statements[ran:])
        savepoint.rollback()


def first_not_run(findings: list[Finding | None]) -> int | None:
    """Where to go on; None where one is in doubt behind the last that ran."""
    behind = max((at + 1 for at, found in enumerate(findings) if found and found.ran), default=0)
    for at, found in enumerate(findings[behind:], start=behind):
        if found is None:
            return None
        if found.ran is False:
            return at
    return len(findings)


def contents_after(connection: Connection, statements: list[str]) -> tuple[object, ...]:
    with connection.begin_nested() as savepoint:
        run(connection, statements)
        after = contents(connection)
        savepoint.rollback()
    return after


def run(connection: Connection, statements: list[str]) -> None:
    for statement in statements:
        connection.execute(text(statement))


def insert(connection: Connection, rows: list[tuple[str, str]]) -> None:
    values = ", ".join(f"({number}, {a}, {m})" for number, (a, m) in enumerate(rows))
    connection.execute(text(f"INSERT INTO t (id, a, m) VALUES {values}"))
