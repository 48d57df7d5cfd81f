"""Chains and broken states that nobody thought of: healed exactly, or refused and untouched; no row changes."""

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from reconcile.healing.heal import heal
from reconcile.tape.configuration import configuration
from reconcile.tape.file import write_tape
from reconcile.tape.project import Project, open_project, tape_path
from reconcile.tape.record_chain import record

from .bench import Bench, State
from .random_chains import MOVES, chains, write

CLAIMS = ("the parent", "nothing", "the head", "an unknown id", "any revision", "two rows")


@dataclass(frozen=True)
class Accident:
    """What happened to a database: how far it got, what was done to it by hand, and what is on record."""

    revision: int
    done: int
    claim: str
    other: int
    by_hand: tuple[tuple[str, int], ...]


ACCIDENTS = st.builds(
    Accident,
    revision=st.integers(0, 11),
    done=st.integers(0, 3),
    claim=st.sampled_from(CLAIMS),
    other=st.integers(0, 11),
    by_hand=st.lists(
        st.tuples(
            st.sampled_from(
                ("drop index", "drop column", "drop table", "drop view", "add column", "add table", "set default")
            ),
            st.integers(0, 99),
        ),
        max_size=1,
    ).map(tuple),
)
BY_HAND = {
    "drop index": "SELECT format('DROP INDEX %I', indexname) FROM pg_indexes WHERE schemaname = 'public'"
    " AND indexname LIKE 'i%' ORDER BY 1",
    "drop column": "SELECT format('ALTER TABLE %I DROP COLUMN %I', relname, attname) FROM pg_attribute JOIN pg_class c"
    " ON c.oid = attrelid WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    " AND attnum > 0 AND NOT attisdropped AND attname LIKE 'c%' ORDER BY 1",
    "drop table": "SELECT format('DROP TABLE %I CASCADE', tablename) FROM pg_tables WHERE tablename LIKE 't%'"
    " AND schemaname = 'public' ORDER BY 1",
    "drop view": "SELECT format('DROP VIEW %I', viewname) FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
    "add column": "SELECT format('ALTER TABLE %I ADD COLUMN strange text', tablename) FROM pg_tables"
    " WHERE tablename LIKE 't%' AND schemaname = 'public' ORDER BY 1",
    "add table": "SELECT 'CREATE TABLE strange (id integer)'",
    "set default": "SELECT format('ALTER TABLE %I ALTER COLUMN n SET DEFAULT 5', tablename) FROM pg_tables"
    " WHERE tablename LIKE 't%' AND schemaname = 'public' ORDER BY 1",
}
counts: Counter[str] = Counter()


async def try_all(server: str, revisions: list[list[str]], accidents: list[Accident]) -> None:
    """One chain, and some accidents, each to a database of its own."""
    bench = Bench(server, keeps=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            ini = write(revisions, Path(folder) / "chain")
            config, scratch = configuration(ini), await bench.make()
            tape = await bench.on(scratch, lambda connection: record(config, connection).tape)
            write_tape(tape, tape_path(config))
            project = open_project(ini)
            for accident in accidents:
                await judge(bench, project, revisions, accident)
    finally:
        await bench.close()


async def judge(bench: Bench, project: Project, revisions: list[list[str]], accident: Accident) -> None:
    """Breaks a database, heals it, and looks at the end."""
    index = accident.revision % len(revisions)
    done = accident.done % (len(revisions[index]) + 1)
    while done and all(statement.startswith((*MOVES, "COMMENT")) for statement in revisions[index][:done]):
        done -= 1  # in the transaction of its revision, it can't be there alone
    name = await bench.make()
    await bench.sql(name, *(statement for revision in revisions[:index] for statement in revision))
    await fill(bench, name)
    start = await bench.make(name)
    await bench.sql(name, *revisions[index][:done])
    damaged = await spoil(bench, name, accident)
    rows = claimed_rows(accident, index, len(revisions))
    await claim(bench, name, rows)
    parent = (f"r{index:02}",) if index else None
    await claim(bench, start, parent)
    before = await bench.state(name, project.tape)
    note(f"{index + 1} after {done}, {rows} on record, by hand {damaged}")
    report = await bench.on(name, lambda connection: heal(connection, project))
    note(str(report))
    after = await bench.state(name, project.tape)
    if not report.well:
        counts[f"refused as {report.verdict}"] += 1
        assert after == before, "refused, but changed"
        return
    counts["healed"] += 1
    ours = {key: text for key, text in after.schema.items() if key in project.tape.keys}
    assert ours == project.tape.end, "healed, but not at the end"
    assert after.claimed == (project.tape.head,)
    await bench.on(start, lambda connection: heal(connection, project))
    aim = await bench.state(start, project.tape)
    unknowable = bool(damaged) and looks_whole(before, project)
    counts["of these, looked like an undamaged one"] += unknowable
    check_rows(before, after, aim, exact=not damaged and rows in (parent, None), counted_once=not unknowable)


def looks_whole(state: State, project: Project) -> bool:
    """Whether what was done by hand took away all that told of a revision's beginning: nobody can know of it then."""
    ours = {key: text for key, text in state.schema.items() if key in project.tape.keys}
    return any(point.done == 0 for point in project.tape.points_at(ours))


async def fill(bench: Bench, name: str) -> None:
    """Two rows in each table."""
    found = await rows_of(bench, name, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await bench.sql(name, *(f"INSERT INTO {table} (id) VALUES (1), (2)" for table in found))


async def spoil(bench: Bench, name: str, accident: Accident) -> list[str]:
    done = []
    for what, which in accident.by_hand:
        choices = await rows_of(bench, name, BY_HAND[what])
        if choices:
            done.append(choices[which % len(choices)])
            await bench.sql(name, done[-1])
    return done


async def rows_of(bench: Bench, name: str, query: str) -> list[Any]:
    """The first column of a query's rows."""

    def ask(connection: Connection) -> list[Any]:
        return [row[0] for row in connection.exec_driver_sql(query)]

    return await bench.on(name, ask)


def claimed_rows(accident: Accident, index: int, total: int) -> tuple[str, ...] | None:
    parent, other = (f"r{index:02}",) if index else None, f"r{accident.other % total + 1:02}"
    return {
        "the parent": parent,
        "nothing": None,
        "the head": (f"r{total:02}",),
        "an unknown id": ("ffffffffffff",),
        "any revision": (other,),
        "two rows": tuple(sorted({other, *(parent or ())})),
    }[accident.claim]


async def claim(bench: Bench, name: str, rows: tuple[str, ...] | None) -> None:
    if rows is not None:
        await bench.sql(
            name,
            "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
            *(f"INSERT INTO alembic_version VALUES ('{row}')" for row in rows),
        )


def check_rows(before: State, after: State, aim: State, *, exact: bool, counted_once: bool) -> None:
    """No value changes but by the chain's own counting, and that never counts twice where it can be known."""
    if exact:
        assert after.rows == aim.rows, "rows aren't what an undisturbed upgrade leaves"
    for table, lines in before.rows.items():
        if table not in after.rows:
            continue
        old, new = by_id(lines), by_id(after.rows[table])
        wanted = by_id(aim.rows.get(table, []))
        assert set(old) == set(new), f"{table}: rows came or went"
        for number, values in old.items():
            kept = {key: value for key, value in values.items() if key in new[number] and key != "n"}
            assert kept == {key: new[number][key] for key in kept}, f"{table}: a value changed"
            if counted_once and number in wanted:
                assert new[number]["n"] <= wanted[number]["n"], f"{table}: counted twice"


def by_id(lines: list[str]) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in map(json.loads, lines) if "id" in row}


def profile(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(900)
def test_random(server_address: str, say: Callable[[str], None]) -> None:
    """Whatever a chain does and whatever befell the database, it is healed exactly or left alone."""
    _run(server_address, profile(12), say)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_random_for_long(server_address: str, say: Callable[[str], None]) -> None:
    """The same, for as long as it takes."""
    _run(server_address, settings(profile(600), derandomize=False), say)


def _run(server: str, how: settings, say: Callable[[str], None]) -> None:
    counts.clear()

    @how
    @given(revisions=chains(), accidents=st.lists(ACCIDENTS, min_size=2, max_size=4))
    def hold(revisions: list[list[str]], accidents: list[Accident]) -> None:
        asyncio.run(try_all(server, list(revisions), accidents))

    hold()
    say("random chains: " + ", ".join(f"{number} {how}" for how, number in sorted(counts.items())))
