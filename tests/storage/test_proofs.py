"""Each proof that is told is proved itself: it accuses nothing that is right, and finds whatever is wrong.

Recordings have every size at which bytes take another way, and many are compared at once, again and again.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from app.storage_factory import OpenedStorage
from audio.upkeep.sweeper import Sweeper
from core.database.engine import Sessions, open_engine, sessions_on
from storage.contract import PIECE_BYTES, Staged
from storage.local.storage import LocalStorage
from tests.storage.conftest import Driver, LocalDriver
from tests.storage.shelf import LARGE, SIZES, Shelf, damages

AT_ONCE = 4
OTHERS = "other bytes lie there"


@pytest.fixture
async def sessions(database: str) -> AsyncIterator[Sessions]:
    """Sessions on a fresh database."""
    engine = open_engine(database)
    yield sessions_on(engine, database)
    await engine.dispose()


@pytest.fixture
def shelf(driver: Driver, sessions: Sessions) -> Shelf:
    """A storage of each kind, still empty, and a database."""
    return Shelf(cast("OpenedStorage", driver.storage), sessions)


@pytest.fixture
def rounds(driver: Driver) -> int:
    """How often a proof is made: an object store takes its time."""
    return 10 if isinstance(driver, LocalDriver) else 3


@pytest.fixture
async def target(tmp_path: Path) -> LocalStorage:
    """A folder to copy into."""
    storage = LocalStorage(tmp_path / "target")
    await storage.prepare()
    return storage


async def test_verify_accuses_nothing_that_is_right(shelf: Shelf, rounds: int) -> None:
    """However large recordings are, and however much else is hashed meanwhile, `verify` finds them as they came in."""
    await shelf.fill(*SIZES)
    for _ in range(rounds):
        assert await asyncio.gather(*(shelf.verified() for _ in range(AT_ONCE))) == [{}] * AT_ONCE


async def test_rebuild_withholds_nothing_that_is_right(shelf: Shelf, rounds: int) -> None:
    """However large recordings are, `rebuild --verify` gives each its row back."""
    await shelf.fill(*SIZES, *SIZES)
    for _ in range(rounds):
        assert await shelf.rebuilt() == {}


async def test_copy_finds_both_sides_the_same(shelf: Shelf, target: LocalStorage, rounds: int) -> None:
    """However large recordings are, `copy` brings them over, and finds them the same whenever it looks again."""
    await shelf.fill(*SIZES)
    for _ in range(rounds):
        assert await shelf.copied(target) == {}
    copies = {path: b"".join([piece async for piece in target.read(path)]) for path in shelf.contents}
    assert copies == shelf.contents


async def test_large_recordings_are_right(shelf: Shelf, target: LocalStorage) -> None:
    """Recordings of many pieces and chunks are found right by every proof, too."""
    await shelf.fill(*LARGE)
    for _ in range(2):
        assert await shelf.verified() == await shelf.rebuilt() == await shelf.copied(target) == {}


async def test_every_damage_is_found(shelf: Shelf, target: LocalStorage) -> None:
    """A byte that changed anywhere, some that are lost, one too many: every proof finds each, and nothing else."""
    damaged = [(size, damage) for size in (1, PIECE_BYTES + 7) for damage in damages(size)]
    paths = await shelf.fill(*(size for size, _ in damaged))
    await shelf.fill(*SIZES)
    assert await shelf.copied(target) == {}
    faults = {}
    for path, (size, damage) in zip(paths, damaged, strict=True):
        left = damage(shelf.contents[path])
        await shelf.storage.replace(path, left)
        faults[path] = "bytes changed" if len(left) == size else "size differs"
    assert await shelf.verified() == faults
    assert await shelf.copied(target) == dict.fromkeys(faults, "other bytes lie there")
    assert await shelf.rebuilt() == faults


class OtherwiseStorage(LocalStorage):
    """A storage that keeps something else than it was given, as broken memory or a broken disk does."""

    def stage(self) -> Staged:
        """A place for bytes, of which one comes out otherwise."""
        staged = super().stage()
        write = staged.write
        staged.write = lambda piece: write(damages(len(piece))[-1](bytes(piece)))  # type: ignore[method-assign]
        return staged


async def test_a_copy_that_came_out_otherwise_is_told(shelf: Shelf, tmp_path: Path) -> None:
    """What the other side has made something else of is never told to be the same."""
    await shelf.fill(1, PIECE_BYTES + 7)
    target = OtherwiseStorage(tmp_path / "otherwise")
    await target.prepare()
    everything = [path + ending for path in shelf.contents for ending in ("", ".json")]
    assert await shelf.copied(target) == dict.fromkeys(everything, "it came out otherwise")
    assert await target.upkeep().identity() is None


class EmptiedStorage(LocalStorage):
    """A storage from which everything is deleted just when it is asked for something the n-th time."""

    def __init__(self, root: Path, *, asked: int, shelf: Shelf) -> None:
        super().__init__(root)
        self._left = asked
        self._shelf = shelf

    async def size(self, name: str) -> int:
        """Asks for a size."""
        await self._ask()
        return await super().size(name)

    async def read(self, name: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Asks for bytes."""
        await self._ask()
        async with aclosing(super().read(name, start=start, stop=stop)) as pieces:
            async for piece in pieces:
                yield piece

    async def _ask(self) -> None:
        if self._left == 0:
            await self._shelf.remove(*self._shelf.contents)
        self._left -= 1


@pytest.mark.parametrize("proof", ["verified", "rebuilt", "copied"])
async def test_what_is_deleted_meanwhile_is_no_fault(
    sessions: Sessions, tmp_path: Path, target: LocalStorage, proof: str
) -> None:
    """A recording that is deleted while it is looked at is neither missing nor different, at whichever step."""
    storage = LocalStorage(tmp_path / "recordings")
    await storage.prepare()
    for asked in range(6):
        shelf = Shelf(storage, sessions)
        await shelf.fill(PIECE_BYTES + 7)
        assert await shelf.copied(target) == {}
        emptied = replace(shelf, storage=EmptiedStorage(tmp_path / "recordings", asked=asked, shelf=shelf))
        assert await (emptied.copied(target) if proof == "copied" else getattr(emptied, proof)()) == {}, asked
        await shelf.remove(*shelf.contents)


async def test_a_sweep_tells_what_is_missing_and_nothing_else(shelf: Shelf) -> None:
    """However many recordings there are, and while others come and go, a sweep misses those that are gone alone."""
    paths = await shelf.fill(*[1] * 120)
    sweeper = Sweeper(sessions=shelf.sessions, upkeep=shelf.storage.upkeep(), settle_seconds=0)

    async def come_and_go() -> None:
        while True:
            others = replace(shelf, contents={})
            await others.fill(1, 1)
            await others.remove(*others.contents)

    traffic = asyncio.create_task(come_and_go())
    for lost in ([], paths[50:53]):
        for path in lost:
            await shelf.storage.delete(path)
        for _ in range(5):
            sweep = await sweeper.sweep()
            assert sweep is not None
            assert (sweep.rows_without_bytes, sweep.left_over, sweep.put_back) == (len(lost), 0, 0)
    assert sweep is not None
    assert set(sweep.some_without_bytes) == {await shelf.identity(path) for path in lost}
    assert not traffic.done()
    traffic.cancel()
    await asyncio.wait([traffic])
