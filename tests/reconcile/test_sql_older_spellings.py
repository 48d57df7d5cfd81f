"""What newer majors print in SQL's own syntax is the same in the calls that older majors printed."""

from collections.abc import Iterator

import psycopg
import pytest

from reconcile.sql.older_spellings import older_spellings

TABLE = """
CREATE TEMP TABLE t (ts timestamp, tz timestamptz, iv interval, x text, d date, n integer, tm time, zone text);
INSERT INTO t VALUES
    ('2024-02-29 08:30:15.25', '2024-06-30 23:59:59+02', '2 h', ' a(Ame\u0301lie)x ', '2023-12-31', 8, '08:15', 'UTC'),
    ('1999-12-31 23:00', '1969-12-31 23:59+00', '-5 hours', 'xax', '2000-01-01', 23, '23:59:59.5', 'Asia/Tokyo'),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'UTC')
"""
PRINTED_BY_13 = (  # each expression, and what PostgreSQL 13.23 was seen to print for it
    ("ts AT TIME ZONE 'utc'", "timezone('utc'::text, ts)"),
    ("tz AT TIME ZONE iv", "timezone(iv, tz)"),
    ("(ts AT TIME ZONE 'utc') AT TIME ZONE zone", "timezone(zone, timezone('utc'::text, ts))"),
    ("EXTRACT(year FROM d)", "date_part('year'::text, d)"),
    ("EXTRACT(hour FROM ts) >= 8", "(date_part('hour'::text, ts) >= (8)::double precision)"),
    ("EXTRACT(epoch FROM tz) * 1000", "(date_part('epoch'::text, tz) * (1000)::double precision)"),
    (
        "EXTRACT(hour FROM (tz AT TIME ZONE 'utc')) BETWEEN 8 AND 18",
        (
            "((date_part('hour'::text, timezone('utc'::text, tz)) >= (8)::double precision)"
            " AND (date_part('hour'::text, timezone('utc'::text, tz)) <= (18)::double precision))"
        ),
    ),
    (
        "EXTRACT(dow FROM d) IN (0, 6)",
        "(date_part('dow'::text, d) = ANY (ARRAY[(0)::double precision, (6)::double precision]))",
    ),
    ("EXTRACT(year FROM d)::int", "(date_part('year'::text, d))::integer"),
    ("EXTRACT(hour FROM ts) > -0.5", "(date_part('hour'::text, ts) > ('-0.5'::numeric)::double precision)"),
    ("EXTRACT(hour FROM ts) > -1", "(date_part('hour'::text, ts) > ('-1'::integer)::double precision)"),
    ("EXTRACT(hour FROM ts) > 8.5", "(date_part('hour'::text, ts) > (8.5)::double precision)"),
    ("EXTRACT(hour FROM ts) = n", "(date_part('hour'::text, ts) = (n)::double precision)"),
    (
        "EXTRACT(month FROM d) = 1 AND n::numeric > 3",
        "((date_part('month'::text, d) = (1)::double precision) AND ((n)::numeric > (3)::numeric))",
    ),
    ("substring(x from 1 for 3)", '"substring"(x, 1, 3)'),
    ("substring(x from 2)", '"substring"(x, 2)'),
    ("substring(x from '%#\"a#\"%' for '#')", "\"substring\"(x, '%#\"a#\"%'::text, '#'::text)"),
    ("position('a' in x)", "\"position\"(x, 'a'::text)"),
    ("position(('a' || x) in x || 'b')", "\"position\"((x || 'b'::text), ('a'::text || x))"),
    ("overlay(x placing 'y' from 2)", "\"overlay\"(x, 'y'::text, 2)"),
    ("overlay(x placing 'y' from 2 for 1)", "\"overlay\"(x, 'y'::text, 2, 1)"),
    ("trim(x)", "btrim(x)"),
    ("trim(both 'x' from x)", "btrim(x, 'x'::text)"),
    ("trim(leading from x)", "ltrim(x)"),
    ("trim(trailing ' ' || x from x)", "rtrim(x, (' '::text || x))"),
    ("(ts, iv) OVERLAPS (ts, iv)", '"overlaps"(ts, iv, ts, iv)'),
    ("normalize(x)", '"normalize"(x)'),
    ("normalize(x, NFKC)", "\"normalize\"(x, 'nfkc'::text)"),
    ("x IS NORMALIZED", "is_normalized(x)"),
    ("x IS NFD NORMALIZED", "is_normalized(x, 'nfd'::text)"),
    ("x IS NOT NORMALIZED", "(NOT is_normalized(x))"),
    ("COLLATION FOR (x)", "pg_collation_for(x)"),
)
NESTED = (
    "trim(substring(x from 2 for position('(' in x)))",
    "length(trim(CASE WHEN x IS DISTINCT FROM 'q' THEN x END)) > 2",
    "date_trunc('day', ts AT TIME ZONE 'utc') > (tz AT TIME ZONE zone) AT TIME ZONE 'Asia/Tokyo'",
    "x = 'EXTRACT(hour FROM (ts AT TIME ZONE x))' OR trim(x) = 'it''s ('",
    "round(EXTRACT(epoch FROM ts - '2020-01-01') / 60) < (SELECT max(EXTRACT(year FROM d)) FROM t)",
    "(d, d) OVERLAPS (d, d + 1)",
)


@pytest.fixture(scope="module")
def server(server_address: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server_address, autocommit=True) as connection:
        connection.execute(TABLE)
        yield connection


def printed(server: psycopg.Connection, query: str) -> str:
    """How the server prints a view of a query."""
    server.execute("DROP VIEW IF EXISTS v")
    server.execute(f"CREATE TEMP VIEW v (r) AS {query}")
    row = server.execute("SELECT pg_get_viewdef('v'::regclass)").fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize(("expression", "by_13"), PRINTED_BY_13)
def test_a_view_restored_from_13_is_among_the_older_spellings(
    server: psycopg.Connection, expression: str, by_13: str
) -> None:
    restored = printed(server, f"SELECT {by_13} AS r FROM t")
    older = older_spellings(printed(server, f"SELECT {expression} AS r FROM t"))
    assert restored in [printed(server, spelling) for spelling in older]


@pytest.mark.parametrize("expression", [*(expression for expression, _ in PRINTED_BY_13), *NESTED])
@pytest.mark.parametrize("is_pretty", [False, True])
def test_every_older_spelling_means_the_same(server: psycopg.Connection, expression: str, *, is_pretty: bool) -> None:
    printed(server, f"SELECT {expression} AS r FROM t")
    row = server.execute("SELECT pg_get_viewdef('v'::regclass, %s)", (is_pretty,)).fetchone()
    assert row is not None
    expected = server.execute(f"SELECT {expression} FROM t").fetchall()
    older = older_spellings(row[0])
    assert older
    for spelling in older:
        values = server.execute(spelling.rstrip(";").encode()).fetchall()
        assert [pytest.approx(value) if isinstance(value, float) else value for (value,) in values] == [
            float(value) if type(value).__name__ == "Decimal" else value for (value,) in expected
        ]
        assert older_spellings(spelling) == ()


@pytest.mark.parametrize(
    "definition",
    [
        "CHECK ((x <> 'EXTRACT(hour FROM ts)'::text))",
        'CHECK (("EXTRACT"("position", "TRIM") > 0))',
        'CHECK (("substring"(x, 1, 3) = btrim(x)))',
        "CHECK ((a IS DISTINCT FROM b)) -- (x AT TIME ZONE y)",
        "CREATE INDEX i ON t USING btree (a) WHERE (ts > '2020-01-01 00:00:00'::timestamp without time zone)",
        'SELECT a AS "at time zone" FROM (t JOIN u ON ((t.b IS NULL)))',
        "",
        "((",
    ],
)
def test_what_older_majors_print_alike_is_left_alone(definition: str) -> None:
    assert older_spellings(definition) == ()
