"""Every state that our objects can be in, times every version table: each is healed, proven, or refused untouched.

What must happen in each case is decided by `rule`, which was written from the decisions and not from the engine.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection

from reconcile.healing.heal import heal
from reconcile.inspection.inspect import Choices, inspect
from reconcile.planning.report import Report
from reconcile.tape.project import Project

from .ours import (
    FORBIDDEN,
    NEEDS,
    OF_001,
    OF_002,
    READABLE,
    UNKNOWN,
    build,
    old_rows,
    rows_of,
    seen,
    versions,
)
from .service import application, check_use, make_the_rest, started

CLAIMS: dict[str, tuple[str, ...] | None] = {
    "no version table": None,
    "an empty version table": (),
    "001": ("001",),
    "002": ("002",),
    "an unknown id": (UNKNOWN,),
    "001 and 002": ("001", "002"),
    "002 and an unknown id": ("002", UNKNOWN),
}
PUT_TO_WORK = 6  # every sixth schema has to serve as well; all of them are compared, object by object


@dataclass(frozen=True)
class Expected:
    """What must come of a case: the verdict, whether it is healed, and words that the report must hold."""

    verdict: str
    healed: bool
    named: tuple[str, ...] = ()


def rule(parts: frozenset[str], claim: tuple[str, ...] | None) -> Expected:
    """What must come of each case."""
    whole, known = parts == OF_002, [row for row in claim or () if row != UNKNOWN]
    if claim == ("002",) and whole:
        return Expected("current", healed=True)
    if claim == (UNKNOWN,) and whole:
        return Expected("ahead", healed=False, named=(UNKNOWN,))
    if claim and UNKNOWN in claim:
        shared = known or not parts  # another chain's row, beside ours or where there is nothing of ours
        way = "version_table" if shared else "python -m reconcile heal --assume "
        return Expected("ambiguous", healed=False, named=(UNKNOWN, way))
    if not parts and not claim:
        return Expected("empty", healed=True)
    if "table" not in parts and known:
        return Expected("incomplete", healed=False, named=("audio_files", "python -m reconcile heal --assume base"))
    if parts == OF_001 and claim == ("001",):
        return Expected("behind", healed=True)
    lost = tuple(f"audio_files.{column} comes back empty" for column in ("tag", "category") if column not in parts)
    named = lost if "002" in known else ()
    if parts in (OF_001, OF_002):
        return Expected("adopted", healed=True, named=named)
    return Expected("incomplete", healed=True, named=named)


def subsets() -> Iterator[frozenset[str]]:
    """Every set of our objects that can exist: nothing in it stands on something that isn't there."""
    for size in range(len(OF_002) + 1):
        for parts in combinations(sorted(OF_002), size):
            if all(NEEDS.get(part, set()) <= set(parts) for part in parts):
                yield frozenset(parts)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A database on which one case after another is built, healed and used."""

    raw: asyncpg.Connection
    healer: AsyncConnection
    project: Project
    head: frozenset[str]
    app: FastAPI
    rows: tuple[dict[str, Any], ...]

    async def run(self, work: Callable[..., Report], *choices: Choices) -> Report:
        """The engine's answer."""
        return await self.healer.run_sync(work, self.project, *choices)

    async def state(self) -> tuple[object, ...]:
        """Everything that a refusal may not change."""
        return await seen(self.raw), await versions(self.raw), await rows_of(self.raw)

    async def check_healed(self, before: list[dict[str, Any]] | None, *, at_work: bool) -> None:
        """The end of the chain exactly, each row as it was, nothing left to plan, and Pegasus serves if asked."""
        assert await seen(self.raw) == self.head
        assert await versions(self.raw) == ["002"]
        empty = {"tag": None, "category": None}
        assert await rows_of(self.raw) == [empty | row for row in before or []]
        again = await self.run(heal)
        assert (again.verdict, again.outcome, again.plan.steps) == ("current", "current", ())
        if not at_work:
            return
        async with started(self.app) as client:
            await check_use(client, readable=READABLE if before else {}, forbidden=FORBIDDEN if before else ())


@pytest.fixture
async def bench(
    database: str,
    raw: asyncpg.Connection,
    healer: AsyncConnection,
    project: Project,
    head: frozenset[str],
    tmp_path: Path,
) -> Bench:
    """A database to build the cases on."""
    await make_the_rest(database)
    return Bench(
        raw=raw,
        healer=healer,
        project=project,
        head=head,
        app=application(database, tmp_path / "recordings", migrations="off"),
        rows=old_rows(tmp_path / "recordings", tmp_path / "outside.wav"),
    )


def test_reachable() -> None:
    """The subsets are all there are: nothing, the type, and the table with each of its parts or without."""
    assert len(set(subsets())) == 2 + 2**4 * 3 * 3
    assert {frozenset(), frozenset({"type"}), OF_001, OF_002} <= set(subsets())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("claimed", CLAIMS)
async def test_cross_product(claimed: str, bench: Bench, say: Callable[[str], None]) -> None:
    """Whatever half-made state a database is in, it is healed and works, or it is refused and untouched."""
    counts: Counter[str] = Counter()
    for parts in subsets():
        where = f"{sorted(parts)} with {claimed}"
        await build(bench.raw, parts, CLAIMS[claimed], rows=bench.rows)
        before, expected = await bench.state(), rule(parts, CLAIMS[claimed])
        planned = await bench.run(inspect)
        report = await bench.run(heal)
        assert (report.verdict, report.well) == (expected.verdict, expected.healed), f"{where}: {report}"
        assert (planned.verdict, planned.plan) == (report.verdict, report.plan), where
        assert all(words in str(report) for words in expected.named), f"{where}: {report}"
        if report.well:
            at_work = counts.total() % PUT_TO_WORK == 0
            await bench.check_healed(before[2], at_work=at_work)  # type: ignore[arg-type]
        else:
            assert await bench.state() == before, f"{where}: a refusal changed something"
            await follow_advice(bench, report, before[2])
        counts[f"{report.outcome} {report.verdict}"] += 1
    listed = ", ".join(f"{number} {how}" for how, number in sorted(counts.items()))
    say(f"cross product, {claimed} on record: {counts.total()} cases, {listed}")


async def follow_advice(bench: Bench, report: Report, before: Any) -> None:
    """The commands that a refusal names lead to the end of the chain, and lose no row on the way."""
    for _ in range(2):
        assert report.plan.refusal is not None
        commands = [line for line in report.plan.refusal.remedies if "--assume" in line]
        if not commands:
            assert "version_table" in " ".join(report.plan.refusal.remedies)
            return
        report = await bench.run(heal, Choices(assume=commands[0].split()[-1]))
        if report.well:
            break
    assert report.outcome == "healed", report
    assert await seen(bench.raw) == bench.head
    assert await versions(bench.raw) == ["002"]
    assert await rows_of(bench.raw) == [{"tag": None, "category": None} | row for row in before or []]
