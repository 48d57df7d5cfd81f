"""Heals that are killed after any statement, and many at once, of a chain with indexes that are built concurrently."""

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from reconcile.journal.journal import Journal

from .bench import Bench, State, upgrade
from .chains import CONCURRENT
from .forks_client import Forks


@pytest.fixture
async def behind(bench: Bench) -> str:
    """A database at the first revision, with rows."""
    name = await bench.make()
    await bench.on(name, lambda connection: upgrade(connection, CONCURRENT, "n01"))
    await bench.sql(name, CONCURRENT.rows["n01"])
    return name


@pytest.fixture
async def end(bench: Bench, behind: str) -> State:
    """What an undisturbed upgrade makes of it."""
    name = await bench.make(behind)
    await bench.on(name, lambda connection: upgrade(connection, CONCURRENT, "head"))
    return await bench.state(name, CONCURRENT.project.tape)


async def history(bench: Bench, name: str) -> list[dict[str, Any]]:
    """The journal, the newest entry first."""
    return await bench.on(name, lambda c: Journal(CONCURRENT.project).history(c, limit=50))


@pytest.mark.timeout(900)
async def test_killed_anywhere(bench: Bench, behind: str, end: State, forks: Forks, say: Callable[[str], None]) -> None:
    """Wherever a heal is killed, the next one brings the database to the end, and the journal knows of both."""
    counts: Counter[str] = Counter()
    after = 0
    while True:
        after += 1
        name = await bench.make(behind)
        [killed] = await forks.heal(name, CONCURRENT, die_after=after)
        unfinished = [entry for entry in await history(bench, name) if entry["unfinished"]]
        [healed] = await forks.heal(name, CONCURRENT)
        assert healed["code"] == 0, f"killed after {after}: {healed}"
        assert await bench.state(name, CONCURRENT.project.tape) == end, f"killed after {after}: {healed}"
        entries = await history(bench, name)
        done = [entry for entry in entries if entry["outcome"] == "healed"]
        assert len(done) <= 1, f"killed after {after}: {entries}"
        assert all(entry["outcome"] in ("begun", "healed") for entry in entries), f"killed after {after}: {entries}"
        counts["interrupted and on record"] += bool(unfinished)
        await bench.drop(name)
        if killed["code"] == 0:
            break
        assert killed["code"] == -9, f"killed after {after}: {killed}"
        counts["killed"] += 1
    say(f"killed after each writing statement and before each COMMIT: {dict(counts)}, all converged")
    assert counts["interrupted and on record"] > 3


async def test_eight_at_once(bench: Bench, behind: str, end: State, forks: Forks) -> None:
    """Of eight processes that find the database behind, one heals; the others wait, and find it well."""
    answers = await forks.heal(behind, CONCURRENT, children=8)
    assert [answer["code"] for answer in answers] == [0] * 8, answers
    outcomes = Counter(json.loads(answer["out"])["outcome"] for answer in answers)
    assert outcomes == {"healed": 1, "current": 7}
    assert await bench.state(behind, CONCURRENT.project.tape) == end
    assert [entry["outcome"] for entry in await history(bench, behind)] == ["healed"]


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_killed_at_random(bench: Bench, behind: str, end: State, forks: Forks) -> None:
    """A hundred heals, four at once, killed at any time: the one after them converges."""
    chance = random.Random(7)
    for _ in range(100):
        name = await bench.make(behind)
        for _ in range(3):
            await forks.heal(name, CONCURRENT, children=4, die_in=chance.uniform(0.01, 0.6))
        [healed] = await forks.heal(name, CONCURRENT)
        assert healed["code"] == 0, healed
        assert await bench.state(name, CONCURRENT.project.tape) == end
        await bench.drop(name)
