"""Every chain is stopped after each of its statements, under every version on record, with rows in its tables.

It ends exactly at the recorded end, with each row as an undisturbed upgrade leaves it, or it is refused and untouched.
Which of the two is decided by tests/chains/rule.py.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from itertools import cycle

import pytest

from reconcile.schema.schema import tables_in

from .bench import Bench, Played, State, replay, upgrade
from .chains import CHAINS, Chain
from .rule import CLAIMS, Claim, Stop, healed

UNKNOWN = "ffffffffffff"


@dataclass(frozen=True)
class Course:
    """An undisturbed upgrade: what was sent for each revision, the versions on record after it, and the end."""

    order: tuple[str, ...]
    sent: dict[str, list[Played]]
    versions: dict[str, tuple[str, ...] | None]
    end: State


@pytest.fixture
async def bench(server_address: str) -> AsyncIterator[Bench]:
    """A server on which databases can be made, each used over one connection."""
    bench = Bench(server_address, keeps=True)
    yield bench
    await bench.close()


async def prepare(bench: Bench, chain: Chain) -> str:
    """A database with what is there before the first revision."""
    name = await bench.make()
    if chain.base_file:
        await bench.sql(name, chain.base_file.read_text(encoding="utf-8"), chain.rows["base"])
    return name


async def add_rows(bench: Bench, name: str, chain: Chain, revision: str) -> None:
    if revision in chain.rows:
        await bench.sql(name, f"SET search_path TO {chain.path}; {chain.rows[revision]}")


def received(item: Played, chain: Chain) -> str:
    """A statement as the server gets it: psycopg is given each percent sign doubled."""
    return item.sql.replace("%%", "%") if chain.sync else item.sql


async def run_course(bench: Bench, chain: Chain) -> Course:
    """Upgrades with plain Alembic, one revision at a time."""
    tape = chain.project.tape
    name = await prepare(bench, chain)
    sent: dict[str, list[Played]] = {}
    versions: dict[str, tuple[str, ...] | None] = {"base": None}
    for revision in tape.revisions:
        said = await bench.on(name, lambda c, to=revision.id: upgrade(c, chain, to), sync=chain.sync)  # type: ignore[misc]
        recorded = [statement.sql for statement in revision.statements]
        sent[revision.id] = [item for item in said if received(item, chain) in recorded]
        assert [received(item, chain) for item in sent[revision.id]] == recorded
        await add_rows(bench, name, chain, revision.id)
        versions[revision.id] = (await bench.state(name, tape)).claimed
    end = await bench.state(name, tape)
    await bench.drop(name)
    return Course(tuple(revision.id for revision in tape.revisions), sent, versions, end)


async def claim_versions(bench: Bench, name: str, chain: Chain, rows: tuple[str, ...] | None) -> None:
    """Writes the version table."""
    table = chain.project.tape.versions.qualified
    statements = [f"CREATE SCHEMA IF NOT EXISTS {chain.path}", f"DROP TABLE IF EXISTS {table}"]
    if rows is not None:
        statements.append(f"CREATE TABLE {table} (version_num varchar(32) NOT NULL PRIMARY KEY)")
        statements += [f"INSERT INTO {table} VALUES ('{row}')" for row in rows]
    await bench.sql(name, *statements)


async def undisturbed(bench: Bench, name: str, chain: Chain) -> State:
    """What plain Alembic would make of a database that stands between two revisions."""
    copy = await bench.make(name)
    await bench.on(copy, lambda connection: upgrade(connection, chain, "head"), sync=chain.sync)
    state = await bench.state(copy, chain.project.tape)
    await bench.drop(copy)
    return state


def rows_for(stop: Stop, claim: Claim, course: Course) -> tuple[str, ...] | None:
    parent = course.order[stop.index - 1] if stop.index else "base"
    choices: dict[Claim, tuple[str, ...] | None] = {
        "the parent": course.versions[parent],
        "nothing": None,
        "the head": course.versions[course.order[-1]],
        "an unknown id": (UNKNOWN,),
    }
    return choices[claim]


async def try_stop(
    bench: Bench, walk: str, stop: Stop, course: Course, aim: State, claims: Iterable[Claim], wrong: list[str]
) -> Counter[str]:
    """One broken state under some versions on record; answers with the counts, and adds what went wrong."""
    counts: Counter[str] = Counter()
    chain, tape, name = stop.chain, stop.chain.project.tape, ""
    for claim in claims:
        if not name:
            name = await bench.make(walk)
        await claim_versions(bench, name, chain, rows_for(stop, claim, course))
        before = await bench.state(name, tape)
        lost = bool(tables_in(course.end.schema) - tables_in(before.schema))
        report = await bench.heal(name, chain)
        after = await bench.state(name, tape)
        where = f"{chain.name} {stop.revision} after {stop.done}, {claim} on record"
        expected = healed(stop, claim, lost_tables=lost)
        proved = report.location.proof is not None or report.location.seen
        if report.well != expected and not (report.well and proved):
            wrong.append(f"{where}: must be {'healed' if expected else 'refused'}\n{report}")
        if not report.well and after != before:
            wrong.append(f"{where}: refused, but changed\n{report}")
        if report.well and (after.schema, after.claimed) != (course.end.schema, course.end.claimed):
            wrong.append(f"{where}: healed, but not at the end\n{report}")
        elif report.well and after.rows != aim.rows:
            wrong.append(f"{where}: healed, but rows changed\n{report}")
        counts["states"] += 1
        counts["healed" if report.well else f"refused as {report.verdict}"] += 1
        if report.well:
            await bench.drop(name)
            name = ""
    if name:
        await bench.drop(name)
    return counts


@pytest.mark.parametrize("name", CHAINS)
async def test_breaks(name: str, bench: Bench, say: Callable[[str], None]) -> None:
    """Wherever an upgrade stops, the database ends as recorded without moving a row twice, or is left alone.

    Each state has the parent on record, as it is after a crash, and every third one in turn one of the other claims.
    """
    parent, *others = CLAIMS
    turns = cycle([claims for other in others for claims in ((parent, other), (parent,), (parent,))])
    await break_everywhere(CHAINS[name], bench, lambda: next(turns), say)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CHAINS)
async def test_breaks_under_every_claim(name: str, bench: Bench, say: Callable[[str], None]) -> None:
    """The same, each state with each claim."""
    await break_everywhere(CHAINS[name], bench, lambda: CLAIMS, say)


async def break_everywhere(
    chain: Chain, bench: Bench, claims: Callable[[], Iterable[Claim]], say: Callable[[str], None]
) -> None:
    """Stops a chain after each statement, and prints the counts."""
    counts, wrong = Counter[str](), list[str]()
    course = await run_course(bench, chain)
    walk = await prepare(bench, chain)
    for index, revision in enumerate(course.order):
        parent = course.order[index - 1] if index else "base"
        if index:
            await claim_versions(bench, walk, chain, course.versions[parent])
        aim = await undisturbed(bench, walk, chain)
        for done in range(len(course.sent[revision]) + 1):
            stop = Stop(chain, course.order, index, done)
            if done:
                last = course.sent[revision][done - 1]
                await bench.on(walk, lambda c, last=last: replay(c, chain, [last]), sync=chain.sync)  # type: ignore[misc]
            if stop.impossible:
                counts["cannot be"] += 1
                continue
            counts += await try_stop(bench, walk, stop, course, aim, claims(), wrong)
        await add_rows(bench, walk, chain, revision)
    listed = ", ".join(f"{number} {how}" for how, number in sorted(counts.items()))
    say(f"{chain.name}: {listed}, {len(wrong)} wrong")
    assert not wrong, "\n\n".join(wrong)
