"""What lists, tags, searches and deletes take over HTTP with two million recordings, beside twenty thousand.

Run by `make bench-scale`. Each request is one of many that differ (another tag, user, place in the list), to two
servers by turns; the ratio of their medians is what is worth comparing between machines.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from app.schema_healing import bring_up_to_date
from audio.library.cursor import Cursor
from audio.library.filters import NEWEST_FIRST
from benchmarks.processing import running, until_ready
from core.postgres.embedded import join
from core.settings import load_settings

SMALL = 20_000
MEMORY = Path("/dev/shm")
ROOM_BYTES = 12 * 1024**3
EPOCH = datetime(2026, 1, 1)  # noqa: DTZ001 - as the table keeps times
STEP = timedelta(seconds=10)
QUICK_SECONDS = 0.1
WARM_UP = 3
FILL = """
INSERT INTO audio_files (id, filename, original_filename, file_path, file_size_bytes, duration_seconds, mime_type,
  user_id, upload_timestamp, created_at, updated_at, processing_status, tag, category, original_transcript)
SELECT gen_random_uuid(), n || '.m4a', (ARRAY['Meeting', 'Interview', 'Memo', 'Lecture'])[1 + n % 4] || ' ' || n,
  '2026/' || n || '.m4a', 100000 + n * 37 % 9000000, n * 13 % 7200, 'audio/mp4',
  'user ' || (hashint4(n) & 1023), at, at, at,
  (CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'completed' END)::processingstatus,
  CASE WHEN n < $1::int / 20 AND n % 2 = 0 THEN 'Old' ELSE 'Tag ' || (hashint4(n + 1) & 255) END,
  'Category ' || (hashint4(n + 2) & 15),
  'We spoke of ' || n || ' and of ' || (ARRAY['harbours', 'tides', 'gardens', 'printers'])[1 + n / 4 % 4]
FROM generate_series($4::int, $5::int) n, LATERAL (SELECT $2::timestamp + n * $3::interval AS at) AS moment
"""
INDEX = """
INSERT INTO pegasus_system.search
SELECT a.id, a.xmin::text::bigint, names, array_to_tsvector(
  regexp_split_to_array(names || ' ' || lower(a.original_transcript), '[\\s.]+')
  || ARRAY(SELECT chr(1) || substr(names, at, 3) FROM generate_series(1, length(names)) AS at))
FROM audio_files a,
  LATERAL (SELECT lower(concat_ws(chr(10), a.original_filename, a.tag, a.category)) AS names) AS folded
WHERE a.xmin = pg_current_xact_id()::xid
"""
INDEXES = """
SELECT format('DROP INDEX %s', indexrelid::regclass) AS dropped, pg_get_indexdef(indexrelid) AS made FROM pg_index
WHERE indrelid IN ('audio_files'::regclass, 'pegasus_system.search'::regclass)
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
Parameters = Callable[[int, int], dict[str, Any]]


def moment(at: int, rows: int) -> str:
    """A cursor for somewhere in the list."""
    place = EPOCH + (at * 7919 % rows) * STEP
    return str(Cursor(sorting=NEWEST_FIRST, value=place, id=UUID(int=0)))


LISTS: dict[str, Parameters] = {
    "everything": lambda _at, _rows: {},
    "status completed (99%)": lambda _at, _rows: {"status": "completed"},
    "status failed (1%)": lambda _at, _rows: {"status": "failed"},
    "a category (1/16)": lambda at, _rows: {"category": f"Category {at % 16}"},
    "a tag (1/256)": lambda at, _rows: {"tag": f"Tag {at % 256}"},
    "a user (1/1024)": lambda at, _rows: {"user_id": f"user {at % 1024}"},
    "a tag and a category": lambda at, _rows: {"tag": f"Tag {at % 256}", "category": f"Category {at % 16}"},
    "a user and a category": lambda at, _rows: {"user_id": f"user {at % 1024}", "category": f"Category {at % 16}"},
    "a tag of long ago (2.5%)": lambda _at, _rows: {"tag": "Old"},
    "by cursor, anywhere": lambda at, rows: {"cursor": moment(at, rows)},
    "a category by cursor": lambda at, rows: {"category": f"Category {at % 16}", "cursor": moment(at, rows)},
    "a tag by cursor": lambda at, rows: {"tag": f"Tag {at % 256}", "cursor": moment(at, rows)},
    "search: a frequent word (25%)": lambda _at, _rows: {"q": "harbours"},
    "search: a word that one has": lambda at, rows: {"q": f"spoke {1 + at * 7919 % rows}"},
    "search: part of a name": lambda at, rows: {"q": f"ting {4 * (at * 7919 % rows // 4)}"},
    "search: a word of a user": lambda at, _rows: {"q": "tides", "user_id": f"user {at % 1024}"},
}
SLOW: dict[str, Parameters] = {
    "by offset, in the middle": lambda _at, rows: {"offset": rows // 2},
    "sorted by name": lambda _at, _rows: {"sort": "name", "order": "asc"},
}


async def fill(address: str, rows: int) -> None:
    """A healed database with recordings, each in the search index; the tables' indexes are made at the end."""
    await bring_up_to_date(load_settings(database_url=address))
    connection = await asyncpg.connect(address)
    indexes = await connection.fetch(INDEXES)
    for index in indexes:
        await connection.execute(index["dropped"])
    await asyncio.gather(_enter(address, rows, 1, rows // 2), _enter(address, rows, rows // 2 + 1, rows))
    await connection.execute("SET maintenance_work_mem = '1GB'")
    for statement in (*(index["made"] for index in indexes), "VACUUM ANALYZE", "CHECKPOINT"):
        await connection.execute(statement)
    await connection.close()


async def _enter(address: str, rows: int, first: int, last: int) -> None:
    """Enters some of the recordings, each in the search index."""
    connection = await asyncpg.connect(address)
    async with connection.transaction():
        await connection.execute(FILL, rows, EPOCH, STEP, first, last)
        await connection.execute(INDEX)
    await connection.close()


@dataclass(frozen=True)
class Server:
    """A server, and how many recordings it has."""

    client: httpx.AsyncClient
    rows: int

    async def took(self, path: str, parameters: Parameters, at: int) -> float:
        """How long a request takes, in seconds."""
        began = time.perf_counter()
        (await self.client.get(path, params=parameters(at, self.rows))).raise_for_status()
        return time.perf_counter() - began

    async def until_searchable(self) -> None:
        """Returns once it knows that all of them are in its index: until then it reads the table itself."""
        await until_ready(self.client)
        quick = 0
        while quick < WARM_UP:
            quick = quick + 1 if await self.took("/api/audio/", lambda *_: {"q": "nothing"}, 0) < QUICK_SECONDS else 0
            await asyncio.sleep(0.2)

    async def deleted(self, recording_id: str) -> float:
        """How long a delete takes; there are no bytes to remove."""
        began = time.perf_counter()
        (await self.client.delete(f"/api/audio/{recording_id}")).raise_for_status()
        return time.perf_counter() - began


async def measured(urls: Sequence[str], rows: Sequence[int], requests: int) -> None:
    """Asks the servers by turns, and prints a line for each kind of request."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=120)) for url in urls]
        servers = [Server(client, number) for client, number in zip(clients, rows, strict=True)]
        for server in servers:
            await server.until_searchable()
        print(f"\n{'milliseconds':32} {rows[0]:>10,}: p50, p99 {rows[1]:>14,}: p50, p99   ratio of p50")
        for name, parameters in LISTS.items():
            await many(servers, name, "/api/audio/", parameters, requests)
        for name, parameters in SLOW.items():
            await many(servers, name, "/api/audio/", parameters, requests // 10)
        await many(servers, "tags", "/api/audio/tags", LISTS["everything"], requests)
        await many(servers, "tags of a user", "/api/audio/tags", LISTS["a user (1/1024)"], requests)
        await deletes(servers, requests)


async def many(servers: Sequence[Server], name: str, path: str, parameters: Parameters, requests: int) -> None:
    """One request after the other, to each server in turn; the first ones don't count."""
    took = [[await server.took(path, parameters, at) for server in servers] for at in range(requests + WARM_UP)]
    show(name, took[WARM_UP:])


async def deletes(servers: Sequence[Server], requests: int) -> None:
    """Recordings deleted one after the other."""
    pages = [(await server.client.get("/api/audio/", params={"limit": requests})).json()["items"] for server in servers]
    pairs = zip(*pages, strict=True)
    took = [[await server.deleted(item["id"]) for server, item in zip(servers, pair, strict=True)] for pair in pairs]
    show("delete", took)


def show(name: str, took: Sequence[Sequence[float]]) -> None:
    """Prints a line: median and p99 of each server, and how the medians compare."""
    times = [sorted(one[at] * 1000 for one in took) for at in (0, 1)]
    (a, b), (c, d) = [(statistics.median(each), each[int(len(each) * 0.99)]) for each in times]
    print(f"{name:32} {a:13.1f} {b:8.1f} {c:17.1f} {d:8.1f} {c / a:10.2f}", flush=True)


@contextmanager
def filled(folder: Path, rows: int) -> Iterator[str]:
    """Where a server answers that has so many recordings."""
    folder.mkdir(mode=0o711)
    database = join(folder / "database")
    began = time.monotonic()
    asyncio.run(fill(database.address, rows))
    print(f"{rows:,} recordings entered and indexed in {time.monotonic() - began:.0f} s", flush=True)
    with running(folder / "data", DATABASE_URL=database.address, PROCESSING="off", SWEEP_HOURS="0") as url:
        yield url
    database.leave()


def main() -> None:
    """Prints a line for each kind of request: median and p99 in milliseconds with few recordings and with many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    memory = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES else None
    with tempfile.TemporaryDirectory(prefix="pegasus-bench-", dir=memory) as name:
        folder = Path(name)
        folder.chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        with filled(folder / "few", SMALL) as few, filled(folder / "many", options.rows) as lots:
            asyncio.run(measured([few, lots], [SMALL, options.rows], options.requests))


if __name__ == "__main__":
    main()
