"""What lists, tags, searches and deletes take over HTTP with two million recordings, beside twenty thousand.

Run by `make bench-scale`. Each request is one of many that differ (another tag, user, place in the list), one after the
other; the ratio of both tables' medians is what is worth comparing between machines. Both are filled set by set.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from audio.cursor import Cursor
from audio.wanted import NEWEST_FIRST
from benchmarks.processing import running, until_ready
from core.embedded_postgres import join
from core.settings import load_settings
from healing import bring_up_to_date

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
FROM generate_series(1, $1::int) n, LATERAL (SELECT $2::timestamp + n * $3::interval AS at) AS moment
"""
INDEX = """
INSERT INTO pegasus_system.search
SELECT a.id, a.xmin::text::bigint, names, array_to_tsvector(
  regexp_split_to_array(names || ' ' || lower(a.original_transcript), '[\\s.]+')
  || ARRAY(SELECT chr(1) || substr(names, at, 3) FROM generate_series(1, length(names)) AS at))
FROM audio_files a,
  LATERAL (SELECT lower(concat_ws(chr(10), a.original_filename, a.tag, a.category)) AS names) AS folded
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


@dataclass(frozen=True)
class Took:
    """Times in seconds."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        """What one in a hundred exceeds."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


async def fill(address: str, rows: int) -> None:
    """A healed database with recordings, each in the search index."""
    await bring_up_to_date(load_settings(database_url=address))
    connection = await asyncpg.connect(address)
    await connection.execute(FILL, rows, EPOCH, STEP)
    for statement in (INDEX, "VACUUM ANALYZE", "CHECKPOINT"):
        await connection.execute(statement)
    await connection.close()


async def measured(url: str, *, rows: int, requests: int) -> dict[str, Took]:
    """What each kind of request takes."""
    found: dict[str, Took] = {}
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        await until_ready(client)
        await until_searchable(client)
        for name, parameters in LISTS.items():
            found[name] = await many(client, "/api/audio/", parameters, rows=rows, requests=requests)
        for name, parameters in SLOW.items():
            found[name] = await many(client, "/api/audio/", parameters, rows=rows, requests=requests // 10)
        for name, user in (("tags", lambda _at, _rows: {}), ("tags of a user", LISTS["a user (1/1024)"])):
            found[name] = await many(client, "/api/audio/tags", user, rows=rows, requests=requests)
        found["delete"] = await deletes(client, requests)
    return found


async def until_searchable(client: httpx.AsyncClient) -> None:
    """Returns once the server knows that all of them are in its index: until then it reads the table itself."""
    quick = 0
    while quick < WARM_UP:
        began = time.perf_counter()
        (await client.get("/api/audio/", params={"q": "nothing"})).raise_for_status()
        quick = quick + 1 if time.perf_counter() - began < QUICK_SECONDS else 0
        await asyncio.sleep(0.2)


async def many(client: httpx.AsyncClient, path: str, parameters: Parameters, *, rows: int, requests: int) -> Took:
    """One request after the other; the first ones don't count."""
    took = []
    for at in range(requests + WARM_UP):
        began = time.perf_counter()
        (await client.get(path, params=parameters(at, rows))).raise_for_status()
        took.append(time.perf_counter() - began)
    return Took(took[WARM_UP:])


async def deletes(client: httpx.AsyncClient, requests: int) -> Took:
    """Recordings deleted one after the other; there are no bytes to remove."""
    page = (await client.get("/api/audio/", params={"limit": requests, "transcripts": "false"})).json()
    took = []
    for item in page["items"]:
        began = time.perf_counter()
        (await client.delete(f"/api/audio/{item['id']}")).raise_for_status()
        took.append(time.perf_counter() - began)
    return Took(took)


def measure(folder: Path, *, rows: int, requests: int) -> dict[str, Took]:
    """Fills a database, and asks a server on it."""
    folder.mkdir(mode=0o711)
    database = join(folder / "database")
    began = time.monotonic()
    asyncio.run(fill(database.address, rows))
    print(f"{rows:,} recordings entered and indexed in {time.monotonic() - began:.0f} s", flush=True)
    with running(folder / "data", DATABASE_URL=database.address, PROCESSING="off", SWEEP_HOURS="0") as url:
        found = asyncio.run(measured(url, rows=rows, requests=requests))
    database.leave()
    return found


def main() -> None:
    """Prints a line for each kind of request: median and p99 in milliseconds with few recordings and with many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    memory = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES else None
    with tempfile.TemporaryDirectory(prefix="pegasus-bench-", dir=memory) as name:
        folder = Path(name)
        folder.chmod(0o711)  # for root, whose PostgreSQL runs as nobody
        few, lots = (
            measure(folder / str(rows), rows=rows, requests=options.requests) for rows in (SMALL, options.rows)
        )
    print(f"\n{'milliseconds':32} {SMALL:>10,}: p50, p99 {options.rows:>14,}: p50, p99   ratio of p50")
    for name in few:
        times = [each * 1000 for took in (few[name], lots[name]) for each in (took.median, took.p99)]
        print(
            f"{name:32} {times[0]:13.1f} {times[1]:8.1f} {times[2]:17.1f} {times[3]:8.1f} {times[2] / times[0]:10.2f}"
        )


if __name__ == "__main__":
    main()
