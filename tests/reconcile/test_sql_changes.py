"""INSERT, UPDATE, DELETE and TRUNCATE are read into their parts, or not at all."""

import pytest

from reconcile.sql.changes import Change, Delete, Insert, Truncate, Update, read_change


@pytest.mark.parametrize(
    ("sql", "change"),
    [
        ("INSERT INTO t VALUES (1)", Insert("t", (), (("1",),))),
        (
            "insert into app.t (a, \"b c\") values ('x', f(1, 2)), ('y;', ARRAY[1, 2]) returning id;",
            Insert("app.t", ("a", '"b c"'), (("'x'", "f(1, 2)"), ("'y;'", "ARRAY[1, 2]"))),
        ),
        ("INSERT INTO t (a, b) VALUES (%(a)s, $1::VARCHAR)", Insert("t", ("a", "b"), (("%(a)s", "$1::VARCHAR"),))),
        ("INSERT INTO t DEFAULT VALUES", Insert("t", (), ((),))),
        ("INSERT INTO t (a) SELECT b FROM u -- all\nWHERE c", Insert("t", ("a",), "SELECT b FROM u  \nWHERE c")),
        ("INSERT INTO t (SELECT 1)", Insert("t", (), "(SELECT 1)")),
        ("INSERT INTO t (a) (VALUES (1))", Insert("t", ("a",), "(VALUES (1))")),
        (
            "INSERT INTO t (a) WITH x AS (SELECT 1) SELECT * FROM x",
            Insert("t", ("a",), "WITH x AS (SELECT 1) SELECT * FROM x"),
        ),
        ("INSERT INTO t (a) VALUES (1) UNION SELECT 2", Insert("t", ("a",), "VALUES (1) UNION SELECT 2")),
        ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO NOTHING", Insert("t", ("a",), (("1",),))),
        (
            "INSERT INTO t (a) SELECT u.b FROM u JOIN v ON u.id = v.id ON CONFLICT DO NOTHING RETURNING a",
            Insert("t", ("a",), "SELECT u.b FROM u JOIN v ON u.id = v.id"),
        ),
        ("INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1)", Insert("t", (), (("1",),))),
        ("INSERT INTO t (values) VALUES (1)", Insert("t", ("values",), (("1",),))),
        ("UPDATE t SET a = 1", Update("t", None, (("a", "1"),), None, None)),
        (
            "UPDATE t SET a=%(a)s, b=upper(t.c) WHERE t.id = %(id_1)s",
            Update("t", None, (("a", "%(a)s"), ("b", "upper(t.c)")), None, "t.id = %(id_1)s"),
        ),
        (
            "UPDATE t AS x SET (a, b) = (1, (SELECT 2)), c= a IS DISTINCT FROM b FROM u, v WHERE x.i = u.i RETURNING *",
            Update("t", "x", (("a", "1"), ("b", "(SELECT 2)"), ("c", "a IS DISTINCT FROM b")), "u, v", "x.i = u.i"),
        ),
        (
            "UPDATE t x SET a = CASE WHEN b THEN 'WHERE' ELSE E'\\'' END /* FROM */ WHERE c",
            Update("t", "x", (("a", "CASE WHEN b THEN 'WHERE' ELSE E'\\'' END"),), None, "c"),
        ),
        ("UPDATE t SET a = extract(hour FROM b)", Update("t", None, (("a", "extract(hour FROM b)"),), None, None)),
        ("DELETE FROM t", Delete("t", None, None, None)),
        ("DELETE FROM t AS x USING u, v WHERE x.a = u.a", Delete("t", "x", "u, v", "x.a = u.a")),
        ("DELETE FROM t x WHERE a RETURNING b", Delete("t", "x", None, "a")),
        ("TRUNCATE t", Truncate(("t",))),
        ("TRUNCATE TABLE a.t, u RESTRICT", Truncate(("a.t", "u"))),
    ],
)
def test_a_change_of_rows_is_read_into_its_parts(sql: str, change: Change) -> None:
    assert read_change(sql) == change


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "UPDATE",
        "UPDATE t SET",
        "UPDATE t SET a = 1 WHERE",
        "UPDATE ONLY t SET a = 1",
        "UPDATE t * SET a = 1",
        "UPDATE t SET a[1] = 2",
        "UPDATE t SET a.b = 2",
        "UPDATE t SET (a, b) = (SELECT 1, 2)",
        "UPDATE t SET (a, b) = (1, 2, 3)",
        "UPDATE t SET a = 1 WHERE CURRENT OF c",
        "UPDATE t SET a = 1 WHERE a) OR (b",
        "UPDATE t SET a = (1",
        "UPDATE t SET a = 1; DELETE FROM t",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
        "INSERT INTO t (a) VALUES (1)) AS x",
        "DELETE FROM ONLY t",
        "DELETE FROM t WHERE CURRENT OF c",
        "TRUNCATE t CASCADE",
        "TRUNCATE t RESTART IDENTITY",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
        "SELECT 1",
    ],
)
def test_what_is_not_known_is_not_read(sql: str) -> None:
    assert read_change(sql) is None
