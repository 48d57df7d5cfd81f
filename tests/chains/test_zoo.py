"""The zoo: databases and chains that are neither healthy nor merely behind, and what becomes of each."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from reconcile.inspection.inspect import Choices
from reconcile.schema.errors import ChainUnreadable
from reconcile.schema.schema import CONSTRAINTS, Key
from reconcile.tape.project import open_project

from .bench import Bench, State, upgrade
from .chains import BRANCHES, CHAINS, LIBRARY, REPLAYABLE, SYNC, TENANT, Chain

UNKNOWN = "ffffffffffff"


@dataclass(frozen=True)
class Animal:
    """A database at a revision, with `rows` in its version table, and what must come of it.

    `stays` is what other people's statements in `with_` made, which must be there afterwards.
    """

    name: str
    chain: Chain
    at: str
    rows: tuple[str, ...] | None
    verdict: str
    healed: bool
    with_: str = ""
    named: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()


ZOO = (
    Animal(
        "a newer revision only added a table",
        REPLAYABLE,
        "p06",
        (UNKNOWN,),
        "ahead",
        healed=False,
        with_="CREATE TABLE newer (id integer)",
        named=(UNKNOWN,),
    ),
    Animal(
        "a newer revision added a table and a column that must be filled",
        REPLAYABLE,
        "p06",
        (UNKNOWN,),
        "ahead",
        healed=False,
        with_="ALTER TABLE songs ADD COLUMN newer text NOT NULL DEFAULT ''",
    ),
    Animal(
        "the claim would move back over rows that would have been moved, had there been any",
        REPLAYABLE,
        "p05",
        ("p06",),
        "adopted",
        healed=True,
        named=("is empty",),
    ),
    Animal("the claim lies where only rows were moved", REPLAYABLE, "p04", ("p05",), "behind", healed=True),
    Animal("the claim lies before rows were moved", REPLAYABLE, "p04", ("p04",), "behind", healed=True),
    Animal("no claim, and no rows that may have been moved", REPLAYABLE, "p04", None, "adopted", healed=True),
    Animal("an unknown id in the middle", REPLAYABLE, "p02", (UNKNOWN,), "ambiguous", healed=False, named=(UNKNOWN,)),
    Animal("two rows on one line", REPLAYABLE, "p05", ("p03", "p05"), "adopted", healed=True),
    Animal("the head and an unknown id", REPLAYABLE, "p06", ("p06", UNKNOWN), "ambiguous", healed=False),
    Animal("an empty version table at the head", REPLAYABLE, "p06", (), "adopted", healed=True),
    Animal("rows on two branches", BRANCHES, "b04 b06", ("b04", "b06"), "behind", healed=True),
    Animal("rows on two branches, one not begun", BRANCHES, "b02 b03", ("b02", "b03"), "behind", healed=True),
    Animal("one branch alone", BRANCHES, "b03", ("b03",), "behind", healed=True),
    Animal("one branch alone, and nothing on record", BRANCHES, "b03", None, "adopted", healed=True),
    Animal("two branches, and one row on record", BRANCHES, "b04 b06", ("b04",), "adopted", healed=True),
    Animal(
        "two branches, one of them on record though it isn't there",
        BRANCHES,
        "b02",
        ("b02", "b03"),
        "incomplete",
        False,
    ),
    Animal("the other line first", BRANCHES, "x01", ("x01",), "behind", healed=True),
    Animal("a merge on record and its parent", BRANCHES, "b07", ("b04", "b07"), "adopted", healed=True),
    Animal(
        "a second project in the same schema",
        REPLAYABLE,
        "p04",
        ("p04",),
        "behind",
        healed=True,
        with_="CREATE TABLE theirs (id integer NOT NULL);"
        "CREATE TABLE their_version (version_num varchar(32) NOT NULL);"
        "INSERT INTO their_version VALUES ('p01'); CREATE TYPE their_type AS ENUM ('a');"
        "CREATE VIEW v AS SELECT 1 AS a",
        stays=("table theirs", "table their_version", "type their_type", "view v"),
    ),
    Animal(
        "tables of our names in another schema",
        TENANT,
        "t01",
        ("t01",),
        "behind",
        healed=True,
        with_="CREATE TABLE public.items (other text); CREATE TABLE public.tenant_version (version_num varchar(32));"
        "CREATE TABLE public.alembic_version (version_num varchar(32));"
        "INSERT INTO public.alembic_version VALUES ('zz')",
    ),
    Animal("another version table's row is unknown", TENANT, "t03", (UNKNOWN,), "ahead", healed=False),
    Animal("nothing in our schema's version table", TENANT, "t03", None, "adopted", healed=True),
)


async def build(bench: Bench, animal: Animal) -> str:
    """The database of a case."""
    name, chain = await bench.make(), animal.chain
    for revision in animal.at.split():
        await bench.on(name, lambda connection, to=revision: upgrade(connection, chain, to))  # type: ignore[misc]
    table = chain.project.tape.versions.qualified
    statements = [f"DROP TABLE {table}"]
    if animal.rows is not None:
        statements.append(f"CREATE TABLE {table} (version_num varchar(32) NOT NULL)")
        statements += [f"INSERT INTO {table} VALUES ('{row}')" for row in animal.rows]
    await bench.sql(name, *statements, *([animal.with_] * bool(animal.with_)))
    return name


@pytest.mark.parametrize("animal", ZOO, ids=lambda animal: animal.name)
async def test_zoo(animal: Animal, bench: Bench) -> None:
    """Each is told for what it is, and healed to the end of its chain or left exactly as it was."""
    tape = animal.chain.project.tape
    name = await build(bench, animal)
    before = await bench.state(name, tape)
    report = await bench.heal(name, animal.chain)
    after = await bench.state(name, tape)
    assert report.verdict == animal.verdict, report
    assert report.well is animal.healed, report
    assert all(words in str(report) for words in animal.named), report
    if not report.well:
        assert after == before, report
        return
    assert {key: text for key, text in after.schema.items() if key in tape.keys} == tape.end
    assert after.claimed == (tape.head,)
    strangers = {key: text for key, text in before.schema.items() if key not in tape.keys}
    assert {key: text for key, text in after.schema.items() if key not in tape.keys} == strangers
    assert set(animal.stays) <= set(map(str, strangers))
    theirs = {
        table: rows for table, rows in before.rows.items() if "their" in table or table.startswith("public.tenant")
    }
    assert theirs.items() <= after.rows.items()
    assert (await bench.heal(name, animal.chain)).outcome == "current"


async def test_ahead_stays_ahead(bench: Bench) -> None:
    """A database of newer code is never stamped back, whoever asks for it and however often."""
    name = await build(bench, ZOO[0])
    before = await bench.state(name, REPLAYABLE.project.tape)
    for _ in range(2):
        assert (await bench.heal(name, REPLAYABLE)).outcome == "refused"
    assert await bench.state(name, REPLAYABLE.project.tape) == before


async def test_a_choice_is_heard(bench: Bench) -> None:
    """Where only a person can know, what they say decides: the rows are moved, or not again."""
    for said, titles in {"p04": ["One.", "TWO."], "p05": ["One", "TWO"]}.items():
        animal = replace(ZOO[5], name=said)
        name = await build(bench, animal)
        await bench.sql(name, "INSERT INTO songs VALUES (1, 'One', 'one'), (2, 'TWO', 'two')")
        report = await bench.heal(name, REPLAYABLE, Choices(assume=said))
        assert report.outcome == "healed", report
        found = await bench.on(name, lambda c: list(c.exec_driver_sql("SELECT title FROM songs ORDER BY id").scalars()))
        assert found == titles


def edit(old: str, new: str, file: str = "p04*.py") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        [path] = (folder / "versions").glob(file)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def copy_as(name: str, *changes: tuple[str, str]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        [path] = (folder / "versions").glob("p06*.py")
        text = path.read_text()
        for old, new in changes:
            text = text.replace(old, new)
        (folder / "versions" / name).write_text(text)

    return change


BROKEN: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "edited": (edit('"albums"', '"records"'), "p04_create_albums.py was changed"),
    "reused id": (copy_as("p06_again.py"), "p06"),
    "two heads": (copy_as("p07_other.py", ('"p06"', '"p07"'), ('"p05"', '"p04"')), "2 heads"),
    "missing parent": (edit('down_revision = "p05"', 'down_revision = "p05_number"', "p06*.py"), "p05_number"),
    "not recorded": (copy_as("p07_new.py", ('"p06"', '"p07"'), ('"p05"', '"p06"')), "p07"),
    "gone": (lambda folder: next((folder / "versions").glob("p06*.py")).unlink(), "p06"),
    "a loop": (edit("down_revision = None", 'down_revision = "p06"', "p01*.py"), "p0"),
    "not Python": (edit("def upgrade", "def upgrade("), "p04_create_albums.py"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_chains(how: str, tmp_path: Path) -> None:
    """A chain that isn't the recorded one is unreadable, and the file that is the cause is named."""
    breaking, named = BROKEN[how]
    folder = shutil.copytree(REPLAYABLE.ini.parent, tmp_path / "chain")
    breaking(folder)
    with pytest.raises(ChainUnreadable) as caught:
        open_project(folder / "alembic.ini")
    assert named in str(caught.value)
    assert caught.value.exit_code == 23


def test_a_comment_is_no_change(tmp_path: Path) -> None:
    """A revision whose comments, docstring and layout were edited is still the one that was recorded."""
    folder = shutil.copytree(REPLAYABLE.ini.parent, tmp_path / "chain")
    edit('"""Create albums."""', '"""Make albums.\n\nMany."""\n# now')(folder)
    assert open_project(folder / "alembic.ini").tape == REPLAYABLE.project.tape


DROPS = {
    "table": "DROP TABLE {name} CASCADE",
    "column": "ALTER TABLE {table} DROP COLUMN {last} CASCADE",
    "index": "DROP INDEX {name}",
    "view": "DROP VIEW {name} CASCADE",
    "function": "DROP FUNCTION {name} CASCADE",
    "trigger": "DROP TRIGGER {last} ON {table}",
    "type": "DROP TYPE {name} CASCADE",
    "sequence": "DROP SEQUENCE {name} CASCADE",
    "schema": "DROP SCHEMA {name} CASCADE",
}
MUST_HEAL = {"index", "view", "trigger", "function", "unique", "foreign_key", "check", "exclude"}


def drop_of(key: Key) -> str:
    """How an object is dropped."""
    if key.kind in CONSTRAINTS:
        return f"ALTER TABLE {key.relation} DROP CONSTRAINT {key.name} CASCADE"
    return DROPS[key.kind].format(name=key.path, table=key.relation, last=key.name)


@pytest.mark.parametrize("chain", [LIBRARY, CHAINS["several"], SYNC], ids=lambda chain: chain.name)
async def test_dropped(chain: Chain, bench: Bench, say: Callable[[str], None]) -> None:
    """Each object that is dropped behind Alembic's back comes back as it was, or the database is left alone."""
    tape, counts = chain.project.tape, {"healed": 0, "refused": 0}
    whole = await bench.make()
    for revision in tape.revisions:
        await bench.on(whole, lambda c, to=revision.id: upgrade(c, chain, to), sync=chain.sync)  # type: ignore[misc]
        if revision.id in chain.rows:
            await bench.sql(whole, chain.rows[revision.id])
    end = await bench.state(whole, tape)
    for key in end.schema:
        name = await bench.make(whole)
        await bench.sql(name, drop_of(key))
        before = await bench.state(name, tape)
        report = await bench.heal(name, chain)
        after = await bench.state(name, tape)
        where = f"{key} dropped: {report}"
        if report.well:
            assert (after.schema, after.claimed) == (end.schema, end.claimed), where
            check_kept(before, after, where)
        else:
            assert after == before, where
            assert key.kind not in MUST_HEAL, where
        counts["healed" if report.well else "refused"] += 1
        await bench.drop(name)
    say(f"{chain.name}, each object dropped: {counts}")


def check_kept(before: State, after: State, where: str) -> None:
    """Every row that was there is there, with each value that it had."""
    for table, lines in before.rows.items():
        old, new = [json.loads(line) for line in lines], [json.loads(line) for line in after.rows[table]]
        assert len(old) == len(new), where
        assert all(any(row.items() <= found.items() for found in new) for row in old), where
