"""A text of SQL is cut where PostgreSQL cuts it: the server itself says where."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.sql.lexer import tokens
from reconcile.sql.split import first_word, split, without_meta_commands

NASTY = st.text(alphabet="ab'\"\\$;/*-:(){}é\n \t0", max_size=12)
QUOTED = st.one_of(
    NASTY.map(lambda text: "'" + text.replace("'", "''") + "'"),
    NASTY.map(lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    NASTY.map(lambda text: "e'a'\n -- ;'\n  '" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    NASTY.map(lambda text: "U&'" + text.replace("\\", "\\\\").replace("'", "''") + "'"),
    NASTY.filter(lambda text: "$$" not in text and not text.endswith("$")).map(lambda text: f"$${text}$$"),
    NASTY.map(lambda text: f"$tag${text}$$$tag$"),
    NASTY.map(lambda text: f"$é_1${text}$tag$ $é_1$"),
)
BETWEEN = st.one_of(
    st.sampled_from([" ", "\n", "\t", " -- it's; \"\n", "/* ; ' */", "/* /* ;' */ $$ */ ", "--\n"]),
    NASTY.filter(lambda text: "/*" not in text and "*/" not in text).map(lambda text: f" /*{text} */"),
)
STATEMENT = st.one_of(
    st.builds('SELECT{0}{1}{0}AS"a;\'b"'.format, BETWEEN, QUOTED),
    st.builds('SELECT{0}1{0}AS"é;""$$"'.format, BETWEEN),
    st.builds("VALUES{}({})".format, BETWEEN, QUOTED),
    st.builds("SELECT a$$b$$ FROM (SELECT{}{}) AS t (a$$b$$)".format, BETWEEN, QUOTED),
)


@pytest.fixture(scope="module")
def server(server_address: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server_address, autocommit=True) as connection:
        yield connection


def answers(server: psycopg.Connection, sql: str) -> list[object]:
    """What each statement of a text answers; the server cuts the text."""
    cursor = server.execute(sql)
    values: list[object] = [cursor.fetchall()]
    while cursor.nextset():
        values.append(cursor.fetchall())
    return values


@given(statements=st.lists(st.tuples(BETWEEN, STATEMENT), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_the_server_cuts_a_text_into_the_same_statements(
    server: psycopg.Connection, statements: list[tuple[str, str]]
) -> None:
    text = ";".join(before + statement for before, statement in statements)
    parts = split(text)
    assert [answers(server, part) for part in parts] == [[answer] for answer in answers(server, text)]
    assert len(parts) == len(statements)


@given(text=st.text(alphabet="aeEuUbB&x'\"\\$;/*-+<=@:.,(0159_{}é\n ", max_size=60))
@settings(max_examples=500)
def test_no_character_of_a_text_is_lost(text: str) -> None:
    assert "".join(token.text for token in tokens(text)) == text


BODY = "BEGIN ATOMIC SELECT CASE WHEN true THEN 1 ELSE 2 END AS end; SELECT 3; END"


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE FUNCTION one_two() RETURNS integer {BODY}",
        f"CREATE OR REPLACE PROCEDURE one_two() {BODY}",
        f"create function one_two() returns integer begin /* ; */ atomic {BODY.removeprefix('BEGIN ATOMIC')}",
        "CREATE RULE two AS ON INSERT TO split_rules DO (SELECT 1; SELECT 2)",
        "CREATE FUNCTION one_two() RETURNS integer LANGUAGE plpgsql AS $body$ BEGIN RETURN 1; END; $body$",
        "DO $$ BEGIN PERFORM 1; PERFORM ';'; END $$",
        "CREATE SCHEMA split_schema CREATE TABLE a (b integer) CREATE VIEW c AS SELECT b FROM a",
    ],
)
def test_semicolons_in_bodies_and_parentheses_end_nothing(server_address: str, statement: str) -> None:
    with psycopg.connect(server_address) as connection:
        connection.execute("CREATE TABLE split_rules (a integer)")
        assert split(f"{statement};\nSELECT 1;") == (statement, "SELECT 1")
        connection.execute(statement)  # it is one statement to the server, too
        connection.rollback()


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", ()),
        (" ;; -- nothing\n; /* nothing; */", ()),
        ("-- about a\na; b -- about b\n;", ("-- about a\na", "b -- about b")),
        (
            "COMMENT ON TABLE t IS E'it\\'s'; UPDATE t SET a = 'x'",
            ("COMMENT ON TABLE t IS E'it\\'s'", "UPDATE t SET a = 'x'"),
        ),
        ("a 'never closed; b", ("a 'never closed; b",)),
        ("a $t$ never closed; $$ b", ("a $t$ never closed; $$ b",)),
        ("a /* never /* closed */; b", ("a /* never /* closed */; b",)),
        ("SELECT $1; SELECT $2", ("SELECT $1", "SELECT $2")),
        ("BEGIN; SELECT 1; END; SELECT 2", ("BEGIN", "SELECT 1", "END", "SELECT 2")),
    ],
)
def test_comments_alone_are_no_statement(text: str, statements: tuple[str, ...]) -> None:
    assert split(text) == statements


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("select 1", "SELECT"),
        ("-- UPDATE\n /* INSERT /* x */ */ ((WITH a", "WITH"),
        ('"select" 1', ""),
        ("", ""),
        ("/* a", ""),
    ],
)
def test_a_statement_is_named_by_its_first_word(text: str, word: str) -> None:
    assert first_word(text) == word


def test_commands_to_psql_are_left_out_and_strings_stay_whole() -> None:
    dump = "\\restrict aB'c\nSELECT '\n\\not a command';\n\\connect other\n-- \\x\nSELECT 1;\n\\unrestrict aB'c\n"
    assert split(without_meta_commands(dump)) == ("SELECT '\n\\not a command'", "-- \\x\nSELECT 1")
