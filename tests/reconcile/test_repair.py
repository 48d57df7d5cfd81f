"""Repairs and advice, statement by statement: a repair loses nothing, and advice never cuts or rounds in silence."""

import pytest

from reconcile.advice import advice
from reconcile.create import creations
from reconcile.repair import ELSEWHERE, mend
from reconcile.schema import Difference, parse_key

COLUMN = parse_key("column audio_files.tag")
TYPE = parse_key("type processingstatus")
INDEX = parse_key("index ix_audio_files_tag on audio_files")
EXPECTED_INDEX = "USING btree (tag)"

MENDED = {
    ("bigint", "integer"): "TYPE bigint",
    ("bigint", "smallint"): "TYPE bigint",
    ("character varying(100)", "character varying(50)"): "TYPE character varying(100)",
    ("bigint", "bigint default 7"): "DROP DEFAULT",
    ("bigint", "bigint not null"): "DROP NOT NULL",
    ("uuid not null", "uuid"): "SET NOT NULL",
}


@pytest.mark.parametrize(("texts", "action"), MENDED.items())
def test_mended_columns(texts: tuple[str, str], action: str) -> None:
    """What only gets wider, or loses a default or a demand, is mended."""
    item = Difference(COLUMN, *texts)
    assert mend(item) == (f"ALTER TABLE audio_files ALTER COLUMN tag {action}",)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("character varying(100)", "text"),
        ("character varying(100)", "character varying(200)"),
        ("character varying(100)", "character varying"),
        ("character varying(100)", 'character varying(100) collate "C"'),
        ("bigint", "numeric"),
        ("bigint", "double precision"),
        ("integer", "bigint"),
        ("real", "double precision"),
        ("timestamp without time zone", "timestamp with time zone"),
        ("uuid", "text"),
        ("bigint", "bigint generated always as (1) stored"),
        ("bigint", "bigint generated always as identity not null"),
    ],
)
def test_narrowing_is_never_done_unasked(expected: str, found: str) -> None:
    """What could lose a value is left to a person, who is given SQL that fails where it would."""
    item = Difference(COLUMN, expected, found)
    assert mend(item) is None
    told = advice(item)
    assert told.startswith("ALTER TABLE audio_files ALTER COLUMN tag ")
    assert "::character varying(" not in told


def test_labels() -> None:
    """Missing labels are added in their places; strange and misplaced ones are for a person."""
    expected = "enum ('a', 'b', 'c', 'd')"
    assert mend(Difference(TYPE, expected, "enum ('b', 'd')")) == (
        "ALTER TYPE processingstatus ADD VALUE 'a' BEFORE 'b'",
        "ALTER TYPE processingstatus ADD VALUE 'c' AFTER 'b'",
    )
    for found in ("enum ('d', 'a')", "enum ('a', 'b', 'c', 'd', 'e')", "enum ('A', 'b', 'c', 'd')", "(a text)"):
        assert mend(Difference(TYPE, expected, found)) is None, found


def test_renamed_labels() -> None:
    """Labels that are only spelt otherwise are renamed, which keeps every row; others need a new type."""
    expected = "enum ('a', 'b')"
    assert (
        advice(Difference(TYPE, expected, "enum ('A', 'b')")) == "ALTER TYPE processingstatus RENAME VALUE 'A' TO 'a';"
    )
    assert "CREATE TYPE processingstatus AS enum ('a', 'b')" in advice(Difference(TYPE, expected, "enum ('b', 'a')"))


def test_indexes() -> None:
    """An index is made anew, but never one that is unique, or somebody else's."""
    assert mend(Difference(INDEX, EXPECTED_INDEX, "USING btree (category)")) == (
        "DROP INDEX ix_audio_files_tag",
        f"CREATE INDEX ix_audio_files_tag ON audio_files {EXPECTED_INDEX}",
    )
    assert mend(Difference(INDEX, EXPECTED_INDEX, "UNIQUE USING btree (tag)")) is None
    theirs = Difference(INDEX, EXPECTED_INDEX, f"{ELSEWHERE}theirs USING btree (tag)")
    assert mend(theirs) is None
    assert "DROP" not in advice(theirs)


def test_a_view_gets_its_rights_back() -> None:
    """Where the query is the same, whose rights a view has and what it lets in are put right in place."""
    expected, found = "WITH (security_invoker=true) AS SELECT id FROM t;", " SELECT id FROM t;"
    assert mend(Difference(parse_key("view v"), expected, found)) == (f"CREATE OR REPLACE VIEW v {expected}",)
    assert mend(Difference(parse_key("view v"), expected, " SELECT name FROM t;")) is None


def test_invalid_index_is_made_anew() -> None:
    """An INVALID index is cleared away first."""
    made = creations([Difference(INDEX, EXPECTED_INDEX, f"{EXPECTED_INDEX} invalid")])
    assert made is not None
    assert [creation.sql for creation in made] == [
        "DROP INDEX ix_audio_files_tag",
        f"CREATE INDEX ix_audio_files_tag ON audio_files {EXPECTED_INDEX}",
    ]


def test_order() -> None:
    """What others stand on is made first."""
    missing = [
        Difference(INDEX, EXPECTED_INDEX, None),
        Difference(COLUMN, "processingstatus", None),
        Difference(TYPE, "enum ('a')", None),
    ]
    made = creations(missing)
    assert made is not None
    assert [creation.sql.split()[1] for creation in made] == ["TYPE", "TABLE", "INDEX"]


def test_constraint_advice_names_the_constraint() -> None:
    """Advice about a constraint can be run as it stands."""
    key = parse_key('unique "Mine" on audio_files')
    item = Difference(key, "UNIQUE (file_path)", "UNIQUE (file_path) DEFERRABLE")
    assert advice(item) == 'ALTER TABLE audio_files DROP CONSTRAINT "Mine";'
