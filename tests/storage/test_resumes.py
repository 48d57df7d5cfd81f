"""What every driver promises that keeps unfinished bytes under a key."""

import asyncio
import multiprocessing
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from storage.contract import PIECE_BYTES, BytesMissing, InUse, NameRefused, Resumable, ResumesUploads
from storage.local.storage import LocalStorage
from storage.threads import in_thread
from tests.storage.conftest import Driver, LocalDriver
from tests.storage.test_contract import CONTENT, NAME, everything

KEY = "0d3bd0d8-91d7-4f42-a13d-6bd1bd4a9d7f"


def resume(driver: Driver, key: str = KEY, *, request_release: bool = True) -> Resumable:
    """Takes up the bytes under a key."""
    assert isinstance(driver.storage, ResumesUploads)
    return driver.storage.resume(key, request_release=request_release)


def test_bytes_stay_under_their_key(driver: Driver) -> None:
    """What was written is there when the key is taken up again, and goes on behind it."""
    for at in range(0, len(CONTENT), 300_000):
        held = resume(driver)
        assert held.size_bytes == at
        assert b"".join(held.pieces()) == CONTENT[:at]
        held.write(CONTENT[at : at + 300_000])
        held.make_durable()
        held.release()
    held = resume(driver)
    assert b"".join(held.pieces()) == CONTENT
    assert max(len(piece) for piece in held.pieces()) <= PIECE_BYTES
    held.release()


def test_a_key_has_one_holder(driver: Driver) -> None:
    """While somebody has a key nobody else gets it; whoever has it learns that it is wanted, if that is meant."""
    held, other = resume(driver), resume(driver, "another")
    held.write(b"mine")
    with pytest.raises(InUse):
        resume(driver, request_release=False)
    assert not held.release_requested()
    with pytest.raises(InUse):
        resume(driver)
    assert (held.release_requested(), other.release_requested()) == (True, False)
    held.write(b" still")
    held.release()
    next_one = resume(driver)
    assert not next_one.release_requested()
    assert b"".join(next_one.pieces()) == b"mine still"
    for one in (next_one, other):
        one.release()


def hold(storage: LocalStorage, pipe: int) -> None:
    """Holds the key in a process of its own until that is killed."""
    storage.resume(KEY).write(b"written before")
    os.write(pipe, b"x")
    signal.pause()


@pytest.mark.parametrize("driver", ["local"], indirect=True)
def test_a_hold_ends_with_its_process(driver: Driver, tmp_path: Path) -> None:
    """A server that is killed leaves its bytes, and nothing that would have to be unlocked."""
    assert isinstance(driver.storage, LocalStorage)
    ours, theirs = os.pipe()
    process = multiprocessing.get_context("fork").Process(target=hold, args=(driver.storage, theirs))
    process.start()
    assert os.read(ours, 1) == b"x"
    with pytest.raises(InUse):
        resume(driver)
    process.kill()
    process.join()
    held = resume(driver)
    assert b"".join(held.pieces()) == b"written before"
    held.release()


def test_bytes_are_read_from_anywhere(driver: Driver) -> None:
    """Whoever knows a beginning reads only what follows."""
    held = resume(driver)
    held.write(CONTENT)
    for start in (0, 1, PIECE_BYTES, len(CONTENT) - 1, len(CONTENT)):
        assert b"".join(held.pieces(start=start)) == CONTENT[start:]
    held.release()


@pytest.mark.parametrize("size", [0, 1, 5000, len(CONTENT)])
def test_bytes_can_be_taken_back(driver: Driver, size: int) -> None:
    """What lies behind a size is taken back, and what comes then lies there."""
    held = resume(driver)
    held.write(CONTENT)
    held.truncate(size)
    assert held.size_bytes == size
    held.write(b"anew")
    assert b"".join(held.pieces()) == CONTENT[:size] + b"anew"
    held.release()


async def test_what_is_published_stays_until_it_is_forgotten(driver: Driver) -> None:
    """A recording's row may fail behind its bytes: they can be published again, by the next one too."""
    for manifest in (b"{}", b'{"again": true}'):
        held = resume(driver)
        if not held.size_bytes:
            held.write(CONTENT)
        held.publish(NAME, beside={f"{NAME}.json": manifest})
        assert await everything(driver, NAME) == CONTENT
        assert await everything(driver, f"{NAME}.json") == manifest
        assert held.size_bytes == len(CONTENT)
        held.release()
    held = resume(driver)
    held.forget()
    held.forget()
    held.release()
    assert await everything(driver, NAME) == CONTENT
    assert driver.kept() == {NAME, f"{NAME}.json"}


async def test_what_is_published_can_be_retracted(driver: Driver) -> None:
    """A recording that is refused when its bytes have their name loses the name, and keeps the bytes."""
    held = resume(driver)
    held.write(CONTENT)
    held.publish(NAME, beside={f"{NAME}.json": b"{}"})
    held.retract()
    with pytest.raises(BytesMissing):
        await driver.storage.size(NAME)
    assert b"".join(held.pieces()) == CONTENT
    held.publish(NAME, beside={f"{NAME}.json": b"{}"})
    held.discard()
    held.release()
    assert driver.kept() == set()


def test_what_is_discarded_begins_anew(driver: Driver) -> None:
    """A discarded key has no bytes for whoever takes it up next."""
    held = resume(driver)
    held.write(CONTENT)
    held.discard()
    held.discard()
    assert driver.kept() == set()
    held.release()
    held = resume(driver)
    assert held.size_bytes == 0
    held.discard()
    held.release()


async def test_of_many_one_has_it(driver: Driver) -> None:
    """However many ask and let go at once, nobody writes beside another, or to bytes that were discarded."""

    async def upload_lock(number: int) -> int:
        while True:
            try:
                held = await in_thread(partial(resume, driver))
            except InUse:
                await asyncio.sleep(0.001)
                continue
            size = held.size_bytes
            for _ in range(10):
                await in_thread(partial(held.write, bytes([number]) * 100))
            assert held.size_bytes == size + 1000
            assert next(iter(held.pieces()))[size:] == bytes([number]) * 1000
            if number % 3 == 0:
                held.discard()
            held.release()
            return number

    assert await asyncio.gather(*map(upload_lock, range(30))) == list(range(30))


@pytest.mark.parametrize("key", ["", "a/b", "..", ".", "a.b", "x" * 65, "ä", "a\x00"])
def test_no_key_leads_elsewhere(driver: Driver, key: str) -> None:
    """A key is no path."""
    with pytest.raises(NameRefused):
        resume(driver, key)
    assert driver.kept() == set()


@pytest.mark.parametrize("driver", ["local"], indirect=True)
async def test_without_hard_links_it_is_copied(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file can't have two names its bytes are published as a copy."""

    def no_links(*_: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    assert isinstance(driver, LocalDriver)
    held = resume(driver)
    held.write(CONTENT)
    held.publish(NAME, beside={})
    assert await everything(driver, NAME) == CONTENT
    assert (driver.root / NAME).stat().st_mode & 0o777 == 0o600
    held.forget()
    held.release()
    assert driver.kept() == {NAME}
