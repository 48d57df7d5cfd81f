"""The power fails amid small uploads: what was answered before is there when the server starts again on that disk."""

import asyncio
import copy
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest

from core.postgres.embedded import join
from tests.api.test_main import running
from tests.hardening.test_kills import all_rows, check_files, raise_failures, without_a_job
from tests.hardening.uploaders import DRAFT, TUS, Promises, Uploader
from tests.power_cut import disk

SERVERS = 10
CUTS = 10  # of each server
UPLOADERS = 8
DISK_BYTES = 1 << 30
PATIENCE_SECONDS = 60
MAKE_FILE_SYSTEM = ("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0")
# Without it ext4 itself syncs a file that is renamed over another one, and would hide that Pegasus didn't.
MOUNT = ("mount", "-o", "loop,noauto_da_alloc")

pytestmark = [pytest.mark.power_cut, pytest.mark.timeout(1800)]


class Power:
    """What the disk in its own process is told to do."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def cut(self, image: Path, *, seed: int) -> dict[str, int]:
        """Leaves an image of what the disk holds when the power fails now."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seed} {image}\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, int]:
        """The disk's next line."""
        assert self._process.stdout is not None
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own account may pass through."""
    with tempfile.TemporaryDirectory(prefix="pegasus-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_the_disk_forgets_what_was_not_synced(folder: Path) -> None:
    """A file that was synced outlives the cut; what was written later and never synced does not, in the worst case."""
    with power_cut_disk(folder) as (data, power):
        (data / "synced").write_bytes(b"durable")
        (data / "over").write_bytes(b"before")
        os.sync()
        (data / "unsynced").write_bytes(b"volatile")
        with (data / "over").open("r+b") as file:
            file.write(b"after!")
        losing_all = next(seed for seed in range(100) if random.Random(seed).choice([0.0, 0.5, 1.0]) == 0.0)
        power.cut(folder / "image", seed=losing_all)
    with mounted(folder / "image", folder / "recovered") as recovered:
        assert (recovered / "synced").read_bytes() == b"durable"
        assert (recovered / "over").read_bytes() == b"before"
        assert not (recovered / "unsynced").exists()


@pytest.mark.parametrize("server", range(SERVERS))
async def test_nothing_answered_is_lost(folder: Path, server: int) -> None:
    """Each recording that was answered has its row, its bytes, its manifest and its job; each upload its offset."""
    promises, unflushed, lost, compared = Promises(), 0, 0, Counter[str]()
    with power_cut_disk(folder) as (data, power), running(data, UPLOADS_PER_MINUTE="0") as run:
        async with httpx.AsyncClient(base_url=run.url(), timeout=300) as client:
            for cut in range(CUTS):
                image = folder / f"image-{cut}"
                async with uploading(client, promises, numbers=range(cut * UPLOADERS, (cut + 1) * UPLOADERS)):
                    await asyncio.sleep(random.Random(f"{server} {cut}").random() / 4)
                    answered = copy.deepcopy(promises)
                    state = await asyncio.to_thread(power.cut, image, seed=server * CUTS + cut)
                compared += await check(image, folder / f"recovered-{cut}", answered)
                image.unlink()
                unflushed, lost = unflushed + state["unflushed"], lost + state["lost"]
    print(f"{CUTS} cuts with {unflushed} blocks in the disk's cache, {lost} of them lost; compared: {dict(compared)}")
    assert compared["recordings"]
    assert compared["offsets"]
    assert lost


@asynccontextmanager
async def uploading(client: httpx.AsyncClient, promises: Promises, *, numbers: range) -> AsyncIterator[None]:
    """Clients are in the midst of their uploads inside of the block, and finish after it."""
    ended, before = asyncio.Event(), len(promises.digests)
    work = [asyncio.create_task(Uploader(number, client, promises).work(ended)) for number in numbers]
    while len(promises.digests) < before + len(work):
        raise_failures(work)
        await asyncio.sleep(0.01)
    yield
    ended.set()
    await asyncio.gather(*work)


async def check(image: Path, mount_point: Path, answered: Promises) -> Counter[str]:
    """Starts a server on what the disk holds, and compares it with what was answered before the cut."""
    with mounted(image, mount_point) as data, running(data, PROCESSING="off") as run:
        async with httpx.AsyncClient(base_url=run.url(), timeout=300) as client:
            for address, offset in answered.offsets.items():
                response = await client.head(address, headers=TUS if "/uploads/" in address else DRAFT)
                assert response.is_success, (address, response)
                assert int(response.headers["upload-offset"]) >= offset
        with ExitStack() as stack:
            postgres = join(data)
            stack.callback(postgres.leave)
            rows = await all_rows(postgres.address)
            assert {str(row["id"]) for row in rows} >= set(answered.digests)
            assert set(Counter(row["original_filename"] for row in rows).values()) == {1}
            check_files(data / "recordings", rows, answered, at_most_left=UPLOADERS)
            assert await without_a_job(postgres.address) == []
        assert run.end(signal.SIGTERM) == 0
    return Counter(recordings=len(answered.digests), offsets=len(answered.offsets))


@contextmanager
def power_cut_disk(folder: Path) -> Iterator[tuple[Path, Power]]:
    """A file system on a disk whose power can be cut."""
    file = folder / "disk"
    file.touch()
    with subprocess.Popen(
        [sys.executable, disk.__file__, str(file), str(DISK_BYTES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        power = Power(process)
        try:
            assert power.answer() == {"size_bytes": DISK_BYTES}
            subprocess.run([*MAKE_FILE_SYSTEM, file], check=True)
            with mounted(file, folder / "data") as data:
                yield data, power
        finally:
            unmount(file)


@contextmanager
def mounted(image: Path, mount_point: Path) -> Iterator[Path]:
    """The file system of an image, which recovers by its journal."""
    mount_point.mkdir()
    subprocess.run([*MOUNT, image, mount_point], check=True)
    mount_point.chmod(0o711)
    try:
        yield mount_point
    finally:
        unmount(mount_point)


def unmount(mount_point: Path) -> None:
    """Unmounts, once nobody uses it any more."""
    for _ in range(PATIENCE_SECONDS * 10):
        if subprocess.run(["umount", "--quiet", mount_point], check=False).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "--lazy", mount_point], check=True)
