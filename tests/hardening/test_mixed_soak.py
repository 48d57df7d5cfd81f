"""Everything at once: uploads, downloads, streams of events, attacks, and kills of each process at random.

It takes SOAK_SECONDS, twenty minutes unless the environment says otherwise.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from audio.processing.job_runner import KILLED
from core.database.engine import POOL_SIZE
from core.postgres.embedded import join
from tests.api.jobs.test_killed_workers import AWAY
from tests.core.conftest import folder, kill
from tests.hardening.soak_clients import Attackers, Downloader, Listener
from tests.hardening.test_kills import all_rows, check_files, storage, without_a_job
from tests.hardening.uploaders import Promises, Uploader
from tests.scale.conftest import SECRET, TOKEN
from tests.scale.test_replicas import Replica, client_of, running_worker
from tests.watching.test_metrics import parsed, value

__all__ = ["folder"]  # a fixture
MIB = 1024 * 1024
SECONDS = float(os.environ.get("SOAK_SECONDS", "1200"))
WARM_SECONDS = 20
END_SECONDS = 600
UPLOADERS, REST_SECONDS = 3, 1.0  # of each server; what comes in has to be examined meanwhile
AT_ONCE = 40
GROWTH_BYTES, GROWTH_DESCRIPTORS = 32 * MIB, POOL_SIZE  # how much of the pool is open before is up to the load
HEARD = {"created": 1, "examined": 1, "progressed": 1}


@dataclass(eq=False)
class Worker(Replica):
    """A worker on its own."""

    def start(self) -> None:
        """Starts it."""
        self._run = self._stack.enter_context(running_worker(self.folder, self.settings))


@dataclass
class House:
    """All that runs on one folder and one database: of the two servers only one is ever killed."""

    folder: Path
    settings: dict[str, str] = field(init=False)
    kills: Counter[str] = field(default_factory=Counter)
    memory_mib: list[int] = field(default_factory=list)  # of the steady server, at each kill

    def __post_init__(self) -> None:
        limits = {"MAX_CONNECTIONS": "200", "OPEN_UPLOADS": "100000", "MAX_FILE_SIZE_MB": "1"}
        self.settings = limits | {
            "DATABASE_URL": join(self.folder).address,
            "AUTH_TOKENS": f"{SECRET}=*",
            "PROCESSING": "off",
        }
        self.steady, self.mortal = Replica(self.folder, self.settings), Replica(self.folder, self.settings)
        self.worker = Worker(self.folder, self.settings)
        self.programs = (self.steady, self.mortal, self.worker)

    @property
    def address(self) -> str:
        """Where the database is; one that was killed is started anew."""
        return join(self.folder).address

    def kill(self, what: str) -> None:
        """Ends one of its processes as a power cut would, and starts it anew."""
        match what:
            case "server" | "worker":
                program = self.mortal if what == "server" else self.worker
                program.kill()
                program.start()
            case "decoder":
                try:
                    os.kill(random.choice(decoders(process_id(self.worker))), signal.SIGKILL)
                except (OSError, IndexError):  # it has ended by itself, or none is there yet
                    return
            case "database":
                kill(self.folder, "server")
                join(self.folder)
        self.kills[what] += 1

    async def kill_at_random(self, seconds: float) -> None:
        """Goes on for so long."""
        dice, latest = random.Random(seconds), time.monotonic() + seconds
        while time.monotonic() < latest:
            await asyncio.sleep(dice.uniform(1, 9))
            await asyncio.to_thread(self.kill, dice.choice(["server", "worker", "decoder", "database"]))
            self.memory_mib.append(memory_bytes(self.steady) // MIB)

    async def run_sql(self, statement: str) -> list[Any]:
        """The rows that a statement returns; a database that is away is waited for."""
        while True:
            try:
                connection = await asyncpg.connect(self.address)
                try:
                    return await connection.fetch(statement)
                finally:
                    await connection.close()
            except AWAY:
                await asyncio.sleep(0.1)


def process_id(program: Replica) -> int:
    """The number of its process."""
    assert program._run is not None
    return program._run.process.pid


def memory_bytes(program: Replica) -> int:
    """What it has in memory."""
    lines = Path(f"/proc/{process_id(program)}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def decoders(pid: int) -> list[int]:
    """The processes below a worker that decode, or fork those that do. Raises OSError when one ends meanwhile."""
    return [one for one in descendants(pid) if b"decoder.fork_server" in Path(f"/proc/{one}/cmdline").read_bytes()]


def descendants(pid: int) -> Iterator[int]:
    """All processes below one. Raises OSError when one ends meanwhile."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from descendants(child)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a server has, when it has nothing to do but has just had much."""

    memory_bytes: int
    descriptors: int


async def usage(server: Replica) -> Usage:
    """Waits until nobody asks for anything, but for all connections of the database once."""
    async with httpx.AsyncClient(base_url=server.url, headers=TOKEN, timeout=60) as client:
        for answer in await asyncio.gather(*(client.get("/api/audio") for _ in range(AT_ONCE))):
            assert answer.status_code == 200
    async with httpx.AsyncClient(base_url=server.url, headers=TOKEN, timeout=60) as client:
        while True:
            told = parsed((await client.get("/metrics")).text)
            busy = [value(told, f"pegasus_{name}") for name in ("event_streams_open", "uploads_in_progress")]
            if [*busy, value(told, "pegasus_http_connections_open")] == [0, 0, 1]:
                break
            await asyncio.sleep(0.2)
        descriptors = len([*Path(f"/proc/{process_id(server)}/fd").iterdir()])
        return Usage(memory_bytes=memory_bytes(server), descriptors=descriptors)


@dataclass
class Crowd:
    """All who ask something of both servers."""

    house: House
    promises: Promises = field(default_factory=Promises)
    listeners: list[Listener] = field(default_factory=list)
    downloaders: list[Downloader] = field(default_factory=list)
    attackers: Attackers = field(init=False)

    def __post_init__(self) -> None:
        urls = [self.house.steady.url, self.house.mortal.url]
        self.attackers = Attackers(urls, [(b"Authorization", SECRET.encode())])

    @asynccontextmanager
    async def coming(self, *, since: int) -> AsyncIterator[None]:
        """They come, and at the end of the block they finish what they have begun."""
        ended = asyncio.Event()
        async with AsyncExitStack() as stack:
            work = [self.attackers.work(ended)]
            for at, url in enumerate(self.attackers.urls):
                client = await stack.enter_async_context(client_of(url))
                self.listeners.append(Listener(client))
                self.downloaders.append(Downloader(client, self.promises))
                uploaders = [
                    Uploader(since + UPLOADERS * at + one, client, self.promises, rest_seconds=REST_SECONDS)
                    for one in range(UPLOADERS)
                ]
                work += [self.listeners[-1].work(ended), self.downloaders[-1].work(ended)]
                work += [one.work(ended) for one in uploaders]
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for one in work:
                group.create_task(one)
            yield
            ended.set()


@pytest.mark.soak
@pytest.mark.timeout(2 * SECONDS + 2 * END_SECONDS)
async def test_everything_at_once(folder: Path) -> None:
    """What was acknowledged is there, examined once; the server's memory and descriptors are what they were."""
    house = House(folder)
    crowd = Crowd(house)
    async with AsyncExitStack() as stack:
        stack.callback(join(folder).leave)
        for program in house.programs:
            stack.callback(program.kill)
            program.start()
        async with crowd.coming(since=0):
            await asyncio.sleep(WARM_SECONDS)
        before = await usage(house.steady)
        async with crowd.coming(since=100):
            await house.kill_at_random(SECONDS)
        after = await usage(house.steady)
        print(house.kills, crowd.attackers.counts, crowd.attackers.statuses)
        print(before, after, house.memory_mib)
        await check(house, crowd)
    assert after.memory_bytes - before.memory_bytes < GROWTH_BYTES
    assert after.descriptors - before.descriptors <= GROWTH_DESCRIPTORS
    assert [line for program in house.programs for line in program.said if '"exception"' in line] == []


async def until_processed(house: House) -> None:
    """Waits until the worker is done with everything, and all of it is told."""
    unended = "SELECT FROM audio_files WHERE processing_status NOT IN ('completed', 'failed') LIMIT 1"
    async with asyncio.timeout(END_SECONDS):
        for waited_for in (unended, "SELECT FROM pegasus_system.announcements LIMIT 1"):
            while await house.run_sql(waited_for):
                await asyncio.sleep(0.5)


async def check(house: House, crowd: Crowd) -> None:
    """Every promise is kept; each recording was entered, examined and ended once, and told once; no 5xx but 503.

    One that was killed three times may have failed: then it is there all the same, and a retry completes it.
    """
    promises = crowd.promises
    await until_processed(house)
    rows = await all_rows(house.address)
    check_files(house.folder / "recordings", rows, promises, at_most_left=100 * house.kills.total())
    ended = {str(row["id"]): (row["processing_status"], row["error_message"]) for row in rows}
    # A recording that was cut is completed, too, and says how much of it could be read. One that is lost: KeyError.
    given_up = {one: ended[one][1] for one in promises.digests if ended[one][0] == "failed"}
    assert set(given_up.values()) <= {KILLED.format(times=3)}
    async with client_of(house.steady.url) as client:
        for one in given_up:
            assert (await client.post(f"/api/audio/{one}/retry")).status_code == 202
        await until_processed(house)
        for one in given_up:
            assert (await client.get(f"/api/audio/{one}")).json()["processing_status"] == "completed"
    names = Counter(row["original_filename"] for row in rows)
    assert all(names[name] == 1 for name in promises.once)
    assert all(names[name] <= 1 for name in promises.at_most_once)
    events = await house.run_sql("SELECT number, recording_id, change FROM pegasus_system.events ORDER BY number")
    told = Counter((str(event["recording_id"]), event["change"]) for event in events)
    completed = promises.digests.keys() - given_up.keys()
    assert {(one, change): told[one, change] for one in completed for change in HEARD} == {
        (one, change): times for one in completed for change, times in HEARD.items()
    }
    assert await without_a_job(house.address) == []
    assert storage("verify", house.folder, house.address)["wrong"] == 0
    for listener in crowd.listeners:
        numbers = [number for number, _, _ in listener.heard]
        assert numbers == [event["number"] for event in events if numbers[0] <= event["number"] <= numbers[-1]]
    assert {status for status in crowd.attackers.statuses if status >= 500} <= {503}
    compared, streams = sum(one.compared for one in crowd.downloaders), sum(one.streams for one in crowd.listeners)
    print(
        f"{len(promises.digests)} recordings promised, {len(given_up)} completed by a retry, {promises.broken_off}"
        f" requests broken off, {promises.resumed} uploads resumed, {compared} downloads compared, {streams} streams"
    )
