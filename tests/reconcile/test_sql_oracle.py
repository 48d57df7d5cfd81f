"""PostgreSQL's own parser judges how we cut texts of SQL, and what we say that a statement does to rows."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconcile.sql.split import split
from reconcile.sql.statements import read_statement

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]
PYTHON = Path(__file__).parents[2] / ".venv-oracle" / "bin" / "python"
EXAMPLES = settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))

ODD = st.text(alphabet="aé'\"\\$;/*-(){}x0 \n", max_size=8)
GAP = st.one_of(
    st.sampled_from([" ", "\n", "\t ", " -- it's; \"\n", "/* ; ' */", "/* /* ; */ ' */"]),
    ODD.filter(lambda text: "/*" not in text and "*/" not in text).map(lambda text: f" /*{text} */ "),
)
STRING = st.one_of(
    ODD.map(lambda text: "'" + text.replace("'", "''") + "'"),
    ODD.map(lambda text: " E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    ODD.map(lambda text: " U&'" + text.replace("\\", "\\\\").replace("'", "''") + "'"),
    ODD.filter(lambda text: "$q$" not in text and not text.endswith("$q")).map(lambda text: f" $q${text}$q$"),
    ODD.map(lambda text: "'a'\n '" + text.replace("'", "''") + "'"),
)
NAME = st.one_of(
    st.sampled_from(["t", "é", "a$b$", "update_", "begin_", '"update"', '"insert into"', '"; delete"', '"a""b"']),
    ODD.filter(bool).map(lambda text: '"' + text.replace('"', '""') + '"'),
)
VALUE = st.recursive(
    st.one_of(STRING, NAME, st.sampled_from(["1", "0x1F", "1.5e3", "$1", "NULL", "now()", "B'01'"])),
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("(CASE WHEN {} = {} THEN {} ELSE 2 END)".format, inner, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("(SELECT {} FROM {})".format, inner, NAME),
        st.builds("CAST({} AS text)".format, inner),
        st.builds("ARRAY[{}, {}]".format, inner, inner),
    ),
    max_leaves=4,
)
CHANGE = st.one_of(
    st.builds("INSERT INTO {} VALUES ({}, {})".format, NAME, VALUE, VALUE),
    st.builds("INSERT INTO {}{}SELECT {} FROM {}".format, NAME, GAP, VALUE, NAME),
    st.builds("UPDATE {} SET {} = {} WHERE {} IS NULL".format, NAME, NAME, VALUE, VALUE),
    st.builds("update{}only {} set ({}) = ({})".format, GAP, NAME, NAME, VALUE),
    st.builds("DELETE FROM {} USING {} WHERE {} = {}".format, NAME, NAME, VALUE, VALUE),
    st.builds("MERGE INTO {} USING {} ON {} = 1 WHEN MATCHED THEN DELETE".format, NAME, NAME, VALUE),
    st.builds("TRUNCATE {}, {}".format, NAME, NAME),
)
RETURNING = CHANGE.filter(lambda text: "MERGE" not in text and "TRUNCATE" not in text).map("{} RETURNING *".format)
QUERY = st.recursive(
    st.one_of(
        st.builds("SELECT {} FROM {}".format, VALUE, NAME),
        st.builds("SELECT{}{}{}AS {}".format, GAP, VALUE, GAP, NAME),
        st.builds("VALUES ({})".format, VALUE),
        st.builds("TABLE {}".format, NAME),
        st.builds("SELECT {} FROM {} FOR UPDATE".format, VALUE, NAME),
    ),
    lambda inner: st.one_of(
        st.builds("WITH {} AS ({}) {}".format, NAME, inner, inner),
        st.builds("WITH RECURSIVE {} ({}) AS NOT MATERIALIZED ({}) {}".format, NAME, NAME, inner, inner),
        st.builds("({}) UNION ALL ({})".format, inner, inner),
        st.builds("SELECT * FROM ({}) AS {}".format, inner, NAME),
    ),
    max_leaves=3,
)
WITH_CHANGES = st.one_of(
    st.builds("WITH {} AS ({}) {}".format, NAME, RETURNING, QUERY),
    st.builds("WITH {} AS MATERIALIZED ({}), {} AS ({}) {}".format, NAME, QUERY, NAME, RETURNING, QUERY),
    st.builds("WITH {} AS ({}) {}".format, NAME, QUERY, CHANGE.filter(lambda text: "TRUNCATE" not in text)),
)
BODY = st.lists(st.one_of(QUERY, CHANGE.filter(lambda text: "TRUNCATE" not in text)), max_size=3).map("; ".join)
OTHERS = st.one_of(
    st.builds("CREATE FUNCTION {}() RETURNS int BEGIN ATOMIC {}; SELECT {}; END".format, NAME, BODY, VALUE),
    st.builds("create or replace procedure {}() begin{}atomic {}; end".format, NAME, GAP, BODY),
    st.builds("CREATE FUNCTION {}(n int) RETURNS int LANGUAGE sql AS {}".format, NAME, STRING),
    st.builds("CREATE FUNCTION {}() RETURNS int RETURN {}".format, NAME, VALUE),
    st.builds("CREATE RULE {} AS ON UPDATE TO {} DO ALSO ({}; {})".format, NAME, NAME, CHANGE, QUERY).filter(
        lambda text: "TRUNCATE" not in text and "MERGE" not in text
    ),
    st.builds("CREATE TABLE {} ({} text DEFAULT {}, CHECK ({} = 1))".format, NAME, NAME, VALUE, VALUE),
    st.builds("CREATE TABLE {} AS {}".format, NAME, QUERY),
    st.builds("CREATE VIEW {} AS {}".format, NAME, QUERY),
    st.builds("CREATE INDEX {} ON {} (({})) WHERE {} = 1".format, NAME, NAME, VALUE, VALUE),
    st.builds("COMMENT ON TABLE {} IS{}{}".format, NAME, GAP, STRING),
    st.builds("DO{}{}".format, GAP, STRING),
    st.builds("EXPLAIN {}".format, st.one_of(CHANGE.filter(lambda text: "TRUNCATE" not in text), QUERY)),
    st.builds("EXPLAIN (ANALYZE, VERBOSE) {}".format, st.one_of(QUERY, WITH_CHANGES)),
    st.builds("EXPLAIN{}ANALYZE {}".format, GAP, CHANGE.filter(lambda text: "TRUNCATE" not in text)),
    st.builds("COPY {} ({}) FROM stdin".format, NAME, NAME),
    st.builds("COPY ({}) TO stdout".format, QUERY),
    st.builds("PREPARE {} AS {}".format, NAME, QUERY),
    st.sampled_from(["BEGIN", "END", "COMMIT", "begin isolation level serializable", "START TRANSACTION"]),
)
STATEMENT = st.one_of(CHANGE, QUERY, WITH_CHANGES, OTHERS)


class Judge:
    """The parser, in a process and an environment of its own."""

    def __init__(self) -> None:
        assert PYTHON.exists(), "PostgreSQL's parser needs an environment for itself: make .venv-oracle/oracle.stamp"
        self._process = subprocess.Popen(
            [PYTHON, Path(__file__).parent / "oracle" / "judge.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, sql: str) -> list[tuple[str, bool]] | None:
        """Each statement of a text, with whether it moves rows; None where it isn't SQL."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(sql), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        return None if answer is None else [(text, moves) for text, moves in answer]

    def end(self) -> None:
        """Ends the process."""
        with self._process:
            self._process.kill()


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """PostgreSQL's own parser."""
    judge = Judge()
    yield judge
    judge.end()


@EXAMPLES
@given(parts=st.lists(st.tuples(GAP, STATEMENT, GAP), min_size=1, max_size=4))
def test_a_text_is_cut_where_the_parser_cuts_it(judge: Judge, parts: list[tuple[str, str, str]]) -> None:
    text = ";".join(map("".join, parts))
    judged = judge(text)
    if judged is None:
        return
    ours = split(text)
    assert [judge(part) for part in ours] == [[statement] for statement in judged]


@EXAMPLES
@given(sql=STATEMENT)
def test_a_statement_moves_rows_where_the_parser_says_so(judge: Judge, sql: str) -> None:
    judged = judge(sql)
    if judged is None:
        return
    [(_, moves)] = judged
    assert read_statement(sql).moves_rows is moves, sql


def test_what_is_tried_is_sql(judge: Judge) -> None:
    """What the parser can't read judges nothing: there is little of it."""
    read: list[bool] = []

    @settings(EXAMPLES, max_examples=500)
    @given(sql=STATEMENT)
    def ask(sql: str) -> None:
        read.append(judge(sql) is not None)

    ask()
    assert sum(read) > 0.9 * len(read)
