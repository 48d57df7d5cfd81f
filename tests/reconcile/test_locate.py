"""Where a database is, decided from values alone: the tables of cases that the verdicts were written from."""

from dataclasses import dataclass

import pytest

from app.schema_healing import ALEMBIC_INI
from reconcile.location.locate import Location, Verdict, locate
from reconcile.observation.observe import Observation
from reconcile.schema.schema import Key, Schema, parse_key
from reconcile.tape.project import open_project
from reconcile.tape.tape import Effect, Revision, Statement, Tape

TAPE = open_project(ALEMBIC_INI).tape
FIRST, SECOND = dict(TAPE.after({"001"})), dict(TAPE.end)
TAG, TAG_INDEX = parse_key("column audio_files.tag"), parse_key("index ix_audio_files_tag on audio_files")
TYPE, EXTRA = parse_key("type processingstatus"), parse_key("column audio_files.x")
NAME_COLUMN = parse_key("column audio_files.filename")
UNKNOWN = "9f8e7d6c5b4a"


def found(schema: Schema, claimed: tuple[str, ...] | None, *, assume: str | None = None) -> Location:
    return locate(Observation(schema=schema, claimed=claimed), TAPE, assume=assume)


def without(schema: Schema, *keys: Key) -> dict[Key, str]:
    assert set(keys) <= set(schema)
    return {key: text for key, text in schema.items() if key not in keys}


@dataclass(frozen=True)
class Case:
    """What is observed, and where it must lie."""

    name: str
    schema: Schema
    claimed: tuple[str, ...] | None
    verdict: str
    at: str = "002"


CASES = (
    Case("the end", SECOND, ("002",), "current"),
    Case("nothing", {}, None, "empty", "base"),
    Case("nothing but a version table", {}, (), "empty", "base"),
    Case("behind", FIRST, ("001",), "behind", "001"),
    Case("made without Alembic", FIRST, None, "adopted", "001"),
    Case("all of it made without Alembic", SECOND, None, "adopted"),
    Case("claimed too much", FIRST, ("002",), "adopted", "001"),
    Case("claimed too little", SECOND, ("001",), "adopted"),
    Case("claimed twice", SECOND, ("001", "002"), "adopted"),
    Case("a lost index", without(SECOND, TAG_INDEX), ("002",), "incomplete"),
    Case("a lost index, nothing claimed", without(SECOND, TAG_INDEX), None, "incomplete"),
    Case("an INVALID index", SECOND | {TAG_INDEX: SECOND[TAG_INDEX] + " invalid"}, ("002",), "incomplete"),
    Case("a type alone", {TYPE: SECOND[TYPE]}, None, "incomplete", "001"),
    Case("the table is gone", {}, ("002",), "incomplete"),
    Case("a newer Pegasus", SECOND, (UNKNOWN,), "ahead"),
    Case("a newer Pegasus, and more", SECOND | {EXTRA: "text"}, (UNKNOWN,), "ahead"),
    Case("an unknown id on an old schema", FIRST, (UNKNOWN,), "ambiguous", "001"),
    Case("an unknown id beside ours", SECOND, ("002", UNKNOWN), "ambiguous"),
    Case("another type", SECOND | {TAG: "bytea"}, ("002",), "drifted"),
    Case("another type and an unknown id", SECOND | {TAG: "bytea"}, (UNKNOWN,), "drifted"),
    Case("a wider type", SECOND | {TAG: "text"}, ("002",), "current"),
    Case("a wider type, nothing claimed", SECOND | {TAG: "text"}, None, "adopted"),
    Case("a wider type, not upgraded yet", FIRST | {NAME_COLUMN: "text not null"}, ("001",), "behind", "001"),
    Case("a column that must be filled", SECOND | {EXTRA: "text not null"}, ("002",), "drifted"),
    Case("a column with a default", SECOND | {EXTRA: "text default '' not null"}, ("002",), "current"),
    Case("a check", SECOND | {parse_key("check c on audio_files"): "CHECK (false)"}, ("002",), "drifted"),
    Case(
        "other people's",
        SECOND | {parse_key("table x"): "ordinary", parse_key("column x.y"): "text not null"},
        ("002",),
        "current",
    ),
    Case(
        "a renamed tag",
        without(SECOND, TAG) | {parse_key("column audio_files.label"): SECOND[TAG]},
        ("002",),
        "drifted",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_locate(case: Case) -> None:
    """What is there decides, and what is claimed only where a choice is left."""
    location = found(case.schema, case.claimed)
    assert (location.verdict, location.at) == (case.verdict, case.at)


def test_assume() -> None:
    """A person's word takes the place of what is on record, and of nothing that can be seen."""
    assert found(FIRST, (UNKNOWN,), assume="001").verdict is Verdict.ADOPTED
    assert found(SECOND, (UNKNOWN,), assume="002").verdict is Verdict.ADOPTED
    assert found(SECOND, ("002", UNKNOWN), assume="002").verdict is Verdict.AMBIGUOUS  # another chain's row stays
    assert found({}, ("002",), assume="base").verdict is Verdict.EMPTY
    assert found(SECOND | {TAG: "bytea"}, ("002",), assume="002").verdict is Verdict.DRIFTED
    assert found(FIRST, ("001",), assume="002").at == "001"


def test_differences() -> None:
    """What is missing, differs, is strange or renamed is told apart, each by its own name."""
    location = found(without(SECOND, TAG_INDEX) | {TAG: "bytea", EXTRA: "text"}, ("002",))
    assert [item.key for item in location.missing] == [TAG_INDEX]
    assert [(item.key, item.actual, item.expected) for item in location.differing] == [(TAG, "bytea", SECOND[TAG])]
    assert [item.key for item in location.extra] == [EXTRA]
    assert location.rejecting == ()


TITLE, NAME, ALBUMS, SONGS = map(parse_key, ("column songs.title", "column songs.name", "table albums", "table songs"))
MADE = Statement("CREATE TABLE songs …", "additive", {SONGS: Effect(None, "ordinary"), TITLE: Effect(None, "text")})
RENAMED = Statement("ALTER TABLE songs …", "destructive", {TITLE: Effect("text", None), NAME: Effect(None, "text")})
COUNTED = Statement("UPDATE songs …", "data", {})
ADDED = Statement("CREATE TABLE albums …", "additive", {ALBUMS: Effect(None, "ordinary")})


@pytest.mark.parametrize(
    ("later", "verdict", "readings"),
    [
        pytest.param(
            [(RENAMED, COUNTED, ADDED)], "ambiguous", ("1", "2"), id="it may have been renamed, and rows counted"
        ),
        pytest.param([(COUNTED,), (RENAMED, ADDED)], "ambiguous", ("1", "3"), id="they may have been counted before"),
        pytest.param([(RENAMED, ADDED)], "incomplete", (), id="no row can have been moved"),
        pytest.param([(COUNTED, ADDED)], "incomplete", (), id="what comes next leaves the column alone"),
        pytest.param([(ADDED,), (RENAMED, COUNTED, ADDED)], "incomplete", (), id="what is between has not begun"),
    ],
)
def test_lost_by_whom(later: list[tuple[Statement, ...]], verdict: str, readings: tuple[str, ...]) -> None:
    """A column and its new name are both gone: where the renaming revision may have moved rows, a person is asked."""
    chain = [
        (
            MADE,
            Statement("CREATE INDEX …", "additive", {parse_key("index i on songs"): Effect(None, "USING btree (id)")}),
        )
    ]
    revisions = tuple(
        Revision(id=str(number), parents=(str(number - 1),) if number > 1 else (), source="", statements=statements)
        for number, statements in enumerate([*chain, *later], start=1)
    )
    tape = Tape(revisions)
    seen = Observation(schema=without(tape.after({"1"}), TITLE), claimed=("1",))
    location = locate(seen, tape)
    assert (location.verdict, location.readings) == (verdict, readings)
    assert locate(seen, tape, assume="1").verdict is Verdict.INCOMPLETE


def index(name: str) -> Statement:
    """A statement that makes an index."""
    return Statement(f"CREATE INDEX {name} …", "additive", {index_key(name): Effect(None, "USING btree (id)")})


def index_key(name: str) -> Key:
    return parse_key(f"index {name} on songs")


OLD = Statement("DROP INDEX old", "destructive", {index_key("old"): Effect("USING btree (id)", None)})
INDEXED = Tape(
    (
        Revision(id="1", parents=(), source="", statements=(MADE, index("old"))),
        Revision(id="2", parents=("1",), source="", statements=(index("a"), index("b"), index("c"), OLD)),
    )
)


@pytest.mark.parametrize("made", ["b", "c", "ac", "bc", "ab"])
def test_indexes_may_have_been_made_in_another_order(made: str) -> None:
    """However far a run of indexes got, in whatever order, those that are missing come first, and then the rest."""
    second = INDEXED.by_id["2"]
    there = {key: text for name in made for key, text in INDEXED.after({"1", "2"}).items() if key == index_key(name)}
    seen = Observation(schema={**INDEXED.after({"1"}), **there}, claimed=("1",))
    location = locate(seen, INDEXED)
    assert location.verdict is Verdict.INCOMPLETE
    assert location.remaining == (*(index(name) for name in "abc" if name not in made), second.statements[-1])


def test_an_index_that_is_lost_is_made_again() -> None:
    """Of a revision that is on record, an index in the middle of others was lost, and nothing else is to be done."""
    seen = Observation(schema=without(INDEXED.after({"1", "2"}), index_key("b")), claimed=("2",))
    location = locate(seen, INDEXED)
    assert (location.verdict, location.remaining) == (Verdict.INCOMPLETE, ())
    assert [item.key for item in location.missing] == [index_key("b")]
