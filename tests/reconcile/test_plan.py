"""Plans as values: whatever a database may have become, a plan refuses, or its steps end at the end of the tape."""

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.schema_healing import ALEMBIC_INI
from reconcile.location.locate import Location, Verdict, locate
from reconcile.observation.observe import Observation
from reconcile.planning.plan import plan
from reconcile.planning.steps import BuildBeside, Execute, Stamp, Step, Upgrade
from reconcile.schema.compatibility import serves
from reconcile.schema.schema import Key, Schema, parse_key
from reconcile.tape.project import open_project
from reconcile.tape.tape import Effect, Revision, Statement, Tape, play

TAPE = open_project(ALEMBIC_INI).tape
RECORDED = {statement.sql: statement.effects for statement in TAPE.statements}
UNKNOWN = "9f8e7d6c5b4a"
TABLE = parse_key("table audio_files")
TAG_INDEX = parse_key("index ix_audio_files_tag on audio_files")
LOSES = re.compile(r"\b(DROP (TABLE|COLUMN|TYPE|CONSTRAINT)|TRUNCATE|DELETE|UPDATE|RENAME)\b", re.IGNORECASE)
CLAIMS = (None, (), ("001",), ("002",), ("001", "002"), (UNKNOWN,), ("002", UNKNOWN), ("base",))
OTHER_TEXTS = {
    "column": ["text", "character varying(50)", "character varying(200) not null", "integer", "bigint default 7"],
    "type": ["enum ('uploaded')", "enum ('a', 'b')", "(state text)", "enum ('completed', 'uploaded')"],
    "index": ["USING btree (id)", "UNIQUE USING btree (tag)", "USING hash (tag)"],
    "table": ["ordinary unlogged", "partitioned by RANGE (id)"],
    "unique": ["UNIQUE (file_path) DEFERRABLE"],
    "primary_key": ["PRIMARY KEY (filename)"],
}
STRANGE = {
    "column audio_files.extra": "text",
    "column audio_files.must": "integer not null",
    "index more on audio_files": "USING btree (tag)",
    "index one on audio_files": "UNIQUE USING btree (tag)",
    "check never on audio_files": "CHECK (false)",
    "trigger t on audio_files": "CREATE TRIGGER t BEFORE INSERT ON audio_files EXECUTE FUNCTION f()",
    "table others": "ordinary",
    "column others.x": "text not null",
}


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """What a database may hold: some of what the chain makes, some of it otherwise, and what isn't ours."""
    mode = draw(st.sampled_from(["subset", "drift", "both"]))
    schema: dict[Key, str] = {}
    for key, text in TAPE.end.items():
        fate = draw(st.sampled_from(["as it is"] * 12 + ["gone"] * (mode != "drift") + ["other"] * (mode != "subset")))
        if fate == "as it is":
            schema[key] = text
        elif fate == "other":
            invalid = [f"{text} invalid"] if key.kind == "index" else []
            schema[key] = draw(st.sampled_from([other for other in OTHER_TEXTS[key.kind] if other != text] + invalid))
    if TABLE not in schema:
        schema = {key: text for key, text in schema.items() if key.relation != "audio_files"}
    return schema | _strange(draw(st.lists(st.sampled_from(sorted(STRANGE)), max_size=2)))


def _strange(names: Iterable[str]) -> dict[Key, str]:
    return {parse_key(name): STRANGE[name] for name in names}


def as_chain_makes(ours: Schema) -> dict[Key, str]:
    """A schema in which what takes all that the chain's own takes is called by that; each was checked by itself."""
    served = {key for key, text in TAPE.end.items() if key in ours and serves(key, text, ours[key])}
    return {key: TAPE.end[key] if key in served else text for key, text in ours.items()}


def located(schema: Schema, claimed: tuple[str, ...] | None, assume: str | None = None) -> Location:
    return locate(Observation(schema=schema, claimed=claimed), TAPE, assume=assume)


def simulated(schema: Schema, steps: Iterable[Step], location: Location) -> tuple[dict[Key, str], tuple[str, ...]]:
    """What a database holds after the steps, and what its version table says: read from the SQL that would be sent."""
    held, version = dict(schema), location.claimed or ()
    for step in steps:
        match step:
            case Execute(sql) | BuildBeside(sql):
                run(sql, held)
            case Stamp(revisions):
                version = revisions
            case Upgrade(revision):
                before = TAPE.ancestry(version)
                for item in TAPE.revisions:
                    if item.id not in before:
                        held |= {key: effect.after or "" for s in item.statements for key, effect in s.effects.items()}
                version = (revision,)
    return held, version


def run(sql: str, held: dict[Key, str]) -> None:
    """A statement of the tape has the effects on record; a repair is read."""
    if sql not in RECORDED:
        repair(sql, held)
        return
    for key, effect in RECORDED[sql].items():
        assert held.get(key) == effect.before
        held[key] = effect.after or ""


def repair(sql: str, held: dict[Key, str]) -> None:
    """One of the statements that repairs are made of."""
    if match := re.fullmatch(r"DROP INDEX (\S+)", sql):
        del held[_index(match[1])]
    elif match := re.fullmatch(r"CREATE (UNIQUE )?INDEX (\S+) ON audio_files (.+)", sql):
        assert _index(match[2]) not in held
        held[_index(match[2])] = (match[1] or "") + match[3]
    elif match := re.fullmatch(r"CREATE TYPE (\S+) AS (.+)", sql):
        made = parse_key(f"type {match[1]}")
        assert made not in held
        held[made] = match[2]
    elif match := re.fullmatch(r"CREATE TABLE (\S+) \((.+)\)", sql):
        assert parse_key(f"table {match[1]}") not in held
        held |= {key: text for key, text in TAPE.end.items() if _comes_with_table(key, text, sql)}
    elif match := re.fullmatch(r"ALTER TABLE (\S+) ADD COLUMN (\S+) (.+)", sql):
        column = parse_key(f"column {match[1]}.{match[2]}")
        assert column not in held
        held[column] = match[3]
    elif match := re.fullmatch(r"ALTER TABLE (\S+) ADD CONSTRAINT (\S+) ((UNIQUE|PRIMARY KEY) \(.+\))", sql):
        constraint = parse_key(f"{match[4].lower().replace(' ', '_')} {match[2]} on {match[1]}")
        assert constraint not in held
        held[constraint] = match[3]
    elif match := re.fullmatch(r"ALTER TYPE (\S+) ADD VALUE ('\w+') (BEFORE|AFTER) ('\w+')", sql):
        changed = parse_key(f"type {match[1]}")
        labels = re.findall(r"'\w+'", held[changed])
        labels.insert(labels.index(match[4]) + (match[3] == "AFTER"), match[2])
        held[changed] = f"enum ({', '.join(labels)})"
    elif match := re.fullmatch(r"ALTER TABLE (\S+) (ALTER COLUMN .+)", sql):
        alter(match[1], match[2], held)
    else:
        pytest.fail(f"a repair that nobody knows: {sql}")


def _index(name: str) -> Key:
    return parse_key(f"index {name} on audio_files")


def _comes_with_table(key: Key, text: str, sql: str) -> bool:
    named = key.kind == "column" and f"{key.name} {text}" in sql
    return key.kind == "table" or named or (text in sql and key.kind != "index")


def alter(table: str, actions: str, held: dict[Key, str]) -> None:
    for action in actions.split(", ALTER COLUMN "):
        match = re.fullmatch(r"(?:ALTER COLUMN )?(\S+) (TYPE|SET|DROP) (.+)", action)
        assert match is not None, action
        key = parse_key(f"column {table}.{match[1]}")
        parts = re.fullmatch(r"(.+?)( default .+?)?( not null)?", held[key])
        assert parts is not None
        type_, default, required = parts[1], parts[2] or "", parts[3] or ""
        match (match[2], match[3]):
            case ("TYPE", new):
                type_ = new
            case ("SET", "NOT NULL"):
                required = " not null"
            case ("DROP", "NOT NULL"):
                required = ""
            case ("DROP", "DEFAULT"):
                default = ""
            case _:
                pytest.fail(action)
        held[key] = type_ + default + required


@settings(max_examples=300, deadline=None)
@given(schema=schemas(), claimed=st.sampled_from(CLAIMS))
def test_end_or_refusal(schema: Schema, claimed: tuple[str, ...] | None) -> None:
    """A plan refuses with a reason and no steps, or its steps lead exactly to the end, and lose and touch no more."""
    location = located(schema, claimed)
    decided = plan(location, TAPE)
    if decided.refusal is not None:
        assert decided.refusal.reason
        assert decided.steps == ()
        return
    statements = [step.sql for step in decided.steps if isinstance(step, Execute | BuildBeside)]
    assert not [sql for sql in statements if LOSES.search(sql)]
    held, version = simulated(schema, decided.steps, location)
    assert as_chain_makes({key: text for key, text in held.items() if key in TAPE.keys}) == dict(TAPE.end)
    assert version == ("002",)
    assert {key: text for key, text in held.items() if key not in TAPE.keys} == {
        key: text for key, text in schema.items() if key not in TAPE.keys
    }
    after = located(held, version)
    assert after.verdict is Verdict.CURRENT
    assert plan(after, TAPE).steps == ()


@settings(max_examples=100, deadline=None)
@given(schema=schemas(), claimed=st.sampled_from([(UNKNOWN,), ("002", UNKNOWN), ("001", UNKNOWN), ("base",)]))
def test_unknown_is_never_overwritten(schema: Schema, claimed: tuple[str, ...]) -> None:
    """A version that this code doesn't know is never overwritten unasked, whatever the schema looks like."""
    assert plan(located(schema, claimed), TAPE).refusal is not None


@settings(max_examples=100, deadline=None)
@given(schema=schemas(), claimed=st.sampled_from([("001",), ("002",), ("001", "002")]))
def test_lost_table_is_never_made_anew(schema: Schema, claimed: tuple[str, ...]) -> None:
    """Where a revision is on record and its table is gone, its rows are gone: nobody makes an empty one unasked."""
    gone = {key: text for key, text in schema.items() if key.relation != "audio_files"}
    assert plan(located(gone, claimed), TAPE).refusal is not None


@settings(max_examples=300, deadline=None)
@given(schema=schemas(), claimed=st.sampled_from(CLAIMS))
def test_only_the_end_is_current(schema: Schema, claimed: tuple[str, ...] | None) -> None:
    """Nothing passes for healthy but the end of the chain, on record as such, with nothing that could refuse a row."""
    location = located(schema, claimed)
    ours = {key: text for key, text in schema.items() if key in TAPE.keys}
    if location.verdict is Verdict.CURRENT:
        assert (as_chain_makes(ours), claimed) == (dict(TAPE.end), ("002",))
        assert location.rejecting == ()


@pytest.mark.parametrize("large", [True, False])
def test_large_table(large: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """On a large table indexes are built beside its use, and on a small one within the heal's transaction."""
    tape: Tape = TAPE
    schema = {key: text for key, text in tape.end.items() if key != TAG_INDEX}
    decided = plan(located(schema, ("002",)), tape, large=frozenset({"audio_files"} if large else ()))
    kinds = [type(step) for step in decided.steps]
    assert kinds == ([BuildBeside] if large else [Execute])


SONGS, TITLE, NAME, INDEX = map(
    parse_key, ("table songs", "column songs.title", "column songs.name", "index i on songs")
)
RENAMED = Statement("ALTER TABLE songs …", "destructive", {TITLE: Effect("text", None), NAME: Effect(None, "text")})
INDEXED = Statement("CREATE INDEX …", "additive", {INDEX: Effect(None, "USING btree (id)")})
CONCURRENTLY = replace(INDEXED, sql="CREATE INDEX CONCURRENTLY …", transactional=False)
COUNTED = Statement("UPDATE songs …", "data", {})
RETYPED = Statement("ALTER TABLE songs …", "destructive", {TITLE: Effect("text", "integer")})


@pytest.mark.parametrize(
    ("statements", "done", "heavy"),
    [
        pytest.param((INDEXED,), 0, None, id="an index is built beside"),
        pytest.param((RENAMED, CONCURRENTLY), 0, None, id="an index is built concurrently by itself"),
        pytest.param(
            (RENAMED, INDEXED), 0, "2 builds an index, while nobody can write to it, on", id="an index within"
        ),
        pytest.param(
            (RENAMED, INDEXED), 1, "2 builds an index, while nobody can write to it, on", id="an index remains"
        ),
        pytest.param((COUNTED,), 0, "2 moves rows of", id="rows"),
        pytest.param((RETYPED,), 0, "2 reads the whole of", id="a type"),
    ],
)
def test_heavy_work(statements: tuple[Statement, ...], done: int, heavy: str | None) -> None:
    """What would hold up the writers of a large table waits for a person's yes, and then is told all the same."""
    columns = {SONGS: Effect(None, "ordinary"), TITLE: Effect(None, "text")}
    made = Statement("CREATE TABLE songs …", "additive", columns)
    tape = Tape((Revision("1", (), "", (made,)), Revision("2", ("1",), "", statements)))
    schema = dict(tape.after({"1"}))
    for statement in statements[:done]:
        play(schema, statement)
    location = locate(Observation(schema=schema, claimed=("1",)), tape)
    asking = plan(location, tape, large=frozenset({"songs"}))
    assert plan(location, tape).steps
    agreed = plan(location, tape, large=frozenset({"songs"}), consent=True)
    assert agreed.steps
    if heavy is None:
        assert asking == agreed
    else:
        assert asking.refusal
        assert asking.refusal.reason == f"{heavy} the table songs, which is large"
        assert asking.refusal.reason in agreed.notes


def test_notes() -> None:
    """What comes back empty is said aloud, and what isn't ours is named."""
    first = dict(TAPE.after({"001"})) | {parse_key("column audio_files.extra"): "text"}
    notes = plan(located(first, ("002",)), TAPE).notes
    assert any(note.startswith("audio_files.tag comes back empty") for note in notes)
    assert any(note.startswith("audio_files.category comes back empty") for note in notes)
    assert any("column audio_files.extra is not ours" in note for note in notes)
    assert plan(located(dict(TAPE.after({"001"})), ("001",)), TAPE).notes == ()


GRANTED = Statement("GRANT SELECT ON songs TO reader", "neutral", {})


@pytest.mark.parametrize("done", [1, 2])
def test_grants_of_a_revision_that_was_interrupted_are_made(done: int) -> None:
    """A schema doesn't show comments and grants: of a revision that is there and not on record they are made again."""
    columns = {SONGS: Effect(None, "ordinary"), TITLE: Effect(None, "text")}
    made = Statement("CREATE TABLE songs …", "additive", columns)
    added = Statement("ALTER TABLE songs …", "additive", {NAME: Effect(None, "text")})
    tape = Tape((Revision("1", (), "", (made,)), Revision("2", ("1",), "", (added, INDEXED, GRANTED))))
    schema = dict(tape.after({"1"}))
    for statement in (added, INDEXED)[:done]:
        play(schema, statement)
    steps = plan(locate(Observation(schema=schema, claimed=("1",)), tape), tape).steps
    assert Execute(GRANTED.sql) in steps
    assert steps.index(Execute(GRANTED.sql)) < steps.index(Stamp(("2",)))
