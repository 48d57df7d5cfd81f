"""What every driver of storage promises."""

import asyncio
from functools import partial

import pytest

from storage.contract import PIECE_BYTES, BytesMissing, NameRefused, NameTaken
from storage.threads import in_thread
from tests.storage.conftest import Driver

NAME = "2026/11/23/audio_20261123_100000_abc.wav"
CONTENT = bytes(range(256)) * 5000  # more than a piece, and not a whole number of them


async def put(
    driver: Driver, name: str, content: bytes, *, beside: dict[str, bytes] | None = None, chunk_bytes: int = 70_000
) -> None:
    """Stores `content` in chunks, or leaves nothing."""
    staged = driver.storage.stage()
    try:
        for at in range(0, len(content), chunk_bytes):
            await in_thread(partial(staged.write, content[at : at + chunk_bytes]))
        await in_thread(partial(staged.publish, name, beside=beside or {}))
    except BaseException:
        await in_thread(staged.discard)
        raise


async def everything(driver: Driver, name: str, *, start: int = 0, stop: int | None = None) -> bytes:
    """What is read back."""
    return b"".join([piece async for piece in driver.storage.read(name, start=start, stop=stop)])


@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["empty", "one byte", "pieces"])
async def test_bytes_come_back_as_they_went_in(driver: Driver, content: bytes) -> None:
    """What is stored is read back byte by byte, and its size is that of its bytes."""
    await put(driver, NAME, content)
    assert await everything(driver, NAME) == content
    assert await driver.storage.size(NAME) == len(content)
    assert driver.kept() == {NAME}


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_a_piece_may_lie_in_a_buffer(driver: Driver, kind: type[bytearray]) -> None:
    """A piece is written before `write` returns, so that its buffer can take in the next."""
    staged, buffer = driver.storage.stage(), bytearray(b"one")
    staged.write(kind(buffer))
    buffer[:] = b"two"
    staged.write(kind(buffer))
    staged.publish(NAME, beside={})
    assert await everything(driver, NAME) == b"onetwo"


async def test_small_objects_come_with_the_bytes(driver: Driver) -> None:
    """What belongs to the bytes is there as soon as they are; where it can't be put, neither are they."""
    await put(driver, NAME, CONTENT, beside={f"{NAME}.json": b"{}"})
    assert await everything(driver, f"{NAME}.json") == b"{}"
    other = NAME.replace("abc", "def")
    with pytest.raises(NameTaken):
        await put(driver, other, CONTENT, beside={f"{NAME}.json": b"another"})
    assert await everything(driver, f"{NAME}.json") == b"{}"
    assert driver.kept() == {NAME, f"{NAME}.json"}


async def test_what_was_published_can_be_taken_back(driver: Driver) -> None:
    """Discarded after it got its name, a recording is gone with all that came with it."""
    staged = driver.storage.stage()
    staged.write(CONTENT)
    staged.publish(NAME, beside={f"{NAME}.json": b"{}"})
    staged.discard()
    staged.discard()
    assert driver.kept() == set()


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 1), (5, 5), (len(CONTENT) - 1, None), (PIECE_BYTES - 1, PIECE_BYTES + 1), (len(CONTENT), None)],
)
async def test_a_range_is_read_exactly(driver: Driver, start: int, stop: int | None) -> None:
    """A range of bytes is what a slice of the whole would be."""
    await put(driver, NAME, CONTENT)
    assert await everything(driver, NAME, start=start, stop=stop) == CONTENT[start:stop]


async def test_pieces_are_never_large(driver: Driver) -> None:
    """Reading needs no more memory than a piece."""
    await put(driver, NAME, CONTENT)
    assert max([len(piece) async for piece in driver.storage.read(NAME)]) <= PIECE_BYTES


async def test_bytes_are_never_overwritten(driver: Driver) -> None:
    """A name that is taken is refused, and what lies there stays."""
    await put(driver, NAME, b"the first")
    with pytest.raises(NameTaken):
        await put(driver, NAME, b"the second")
    assert await everything(driver, NAME) == b"the first"
    assert driver.kept() == {NAME}


async def test_of_two_at_once_one_wins(driver: Driver) -> None:
    """Two uploads of one name at once: one is stored whole, the other refused."""
    results = await asyncio.gather(
        put(driver, NAME, b"a" * 200_000), put(driver, NAME, b"b" * 200_000), return_exceptions=True
    )
    assert [type(result) for result in results if result is not None] == [NameTaken]
    assert len(set(await everything(driver, NAME))) == 1
    assert driver.kept() == {NAME}


async def test_what_is_discarded_leaves_nothing(driver: Driver) -> None:
    """What is broken off leaves nothing, half-written bytes included."""
    staged = driver.storage.stage()
    staged.discard()
    for _ in range(3):
        staged.write(CONTENT)
    assert len(driver.kept()) <= 1
    staged.discard()
    assert driver.kept() == set()


@pytest.mark.parametrize("steps", range(0, 60, 3))
async def test_a_cancelled_upload_leaves_nothing_or_all(driver: Driver, steps: int) -> None:
    """Cancelled at any moment, an upload leaves nothing; if it had ended before, it is there whole."""
    task = asyncio.create_task(put(driver, NAME, CONTENT * 3))
    for _ in range(steps):
        await asyncio.sleep(0)
    await asyncio.sleep(steps / 2000)
    task.cancel()
    ended = (await asyncio.gather(task, return_exceptions=True))[0] is None
    assert driver.kept() == ({NAME} if ended else set())


async def test_a_small_object_is_replaced_whole(driver: Driver) -> None:
    """Replacing puts the new in place of the old, and works where nothing was."""
    for content in (b"one", b"another one"):
        await driver.storage.replace(NAME, content)
        assert await everything(driver, NAME) == content
    assert driver.kept() == {NAME}


async def test_what_is_deleted_is_gone(driver: Driver) -> None:
    """Deleted bytes are missing, and deleting them again is no error."""
    await put(driver, NAME, b"gone")
    await driver.storage.delete(NAME)
    await driver.storage.delete(NAME)
    assert driver.kept() == set()
    with pytest.raises(BytesMissing):
        await driver.storage.size(NAME)
    with pytest.raises(BytesMissing):
        await everything(driver, NAME)


@pytest.mark.parametrize(
    "name", ["", "/a", "../a", "a/../b", "a//b", "./a", ".staging/a", "a/.b", "a\x00b", "a\nb", "ä"]
)
async def test_no_name_leads_elsewhere(driver: Driver, name: str) -> None:
    """Nothing is ever stored under a name that could mean another place."""
    with pytest.raises(NameRefused):
        await put(driver, name, b"x")
    with pytest.raises(NameRefused):
        await driver.storage.replace(name, b"x")
    assert driver.kept() == set()


async def test_it_says_that_it_is_well(driver: Driver) -> None:
    """Storage that works says so."""
    await driver.storage.check()
