"""How much of a large table PostgreSQL reads for an answer: as much as the answer needs, and never all of it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from audio.library import label_index, pagination, removal
from audio.library.cursor import Cursor
from audio.library.filters import NEWEST_FIRST, Filters
from audio.model import repository
from audio.model.audio_file import AudioFile, ProcessingStatus
from audio.model.duplicates import ORIGINALS, find_original, original_of, read_originals
from core.database.engine import driver_connection, open_single_use_engine
from tests.conftest import fresh_database

pytestmark = pytest.mark.xdist_group("plans")
ROWS = 120_000
PAGE = 20
# All lie everywhere in time, as PostgreSQL supposes, but for the tag `Old` and the user `early`.
FILL = """
INSERT INTO audio_files (id, filename, original_filename, file_path, user_id, upload_timestamp, processing_status, tag,
  category)
SELECT gen_random_uuid(), n || '.m4a', 'Memo ' || n, '2026/' || n || '.m4a',
  CASE WHEN n BETWEEN 1 AND 2000 THEN 'early' ELSE 'user ' || (hashint4(n) & 63) END,
  timestamp '2026-01-01' + n * interval '1 minute',
  (CASE WHEN n % 200 = 0 THEN 'failed' ELSE 'completed' END)::processingstatus,
  CASE WHEN n < 4000 THEN 'Old' ELSE 'Tag ' || (hashint4(n + 1) & 127) END, 'Category ' || (hashint4(n + 2) & 7)
FROM generate_series(1, $1::int) n
"""
SEARCH = """
INSERT INTO pegasus_system.search SELECT id, xmin::text::bigint, '', array_to_tsvector(ARRAY[
  'memo', split_part(filename, '.', 1), lower(category), 'w' || (hashtext(filename) & 255), lower(tag),
  CASE WHEN processing_status = 'failed' THEN 'seldom' ELSE 'often' END
]) FROM audio_files
"""
DIGESTS = """
INSERT INTO pegasus_system.digests SELECT id, sha256(filename::bytea), user_id, upload_timestamp FROM audio_files
"""
SPEAKERS = """
INSERT INTO pegasus_system.speakers
SELECT id, array_to_tsvector(string_to_array('speaker 1 ' || other, ' ')), ARRAY['speaker 1', other], '[[[0, 9]], []]'
FROM audio_files CROSS JOIN LATERAL (
  SELECT CASE WHEN processing_status = 'failed' THEN 'anna lee' ELSE 'speaker 2' END AS other
) AS names
"""
INDEXED = (
    "ALTER INDEX pegasus_system.ix_search_vector SET (fastupdate = off)",
    "ALTER INDEX pegasus_system.ix_speakers_vector SET (fastupdate = off)",
    "VACUUM ANALYZE",
)


@pytest.fixture(scope="module")
def large(server_address: str, healed: str) -> Iterator[str]:
    """The address of a database with many recordings."""

    async def fill(address: str) -> None:
        connection = await asyncpg.connect(address)
        await connection.execute(FILL, ROWS)
        for statement in (SEARCH, DIGESTS, SPEAKERS, *INDEXED):
            await connection.execute(statement)
        await connection.close()

    loop = asyncio.new_event_loop()
    holding = fresh_database(server_address, template=healed)
    address = loop.run_until_complete(holding.__aenter__())
    loop.run_until_complete(fill(address))
    yield address
    loop.run_until_complete(holding.__aexit__(None, None, None))
    loop.close()


@dataclass(frozen=True)
class Read:
    """What was read of tables for the statements of one answer."""

    rows: int
    in_full: frozenset[str]


class Watching:
    """Keeps each statement of a session, and asks afterwards what it reads."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._engine = open_single_use_engine(address)
        self._sent: list[tuple[str, Sequence[Any]]] = []
        event.listen(self._engine.sync_engine, "before_cursor_execute", self._keep)

    def _keep(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if not statement.startswith("EXPLAIN"):
            self._sent.append((statement, tuple(parameters)))

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session that changes nothing."""
        async with AsyncSession(self._engine) as session:
            yield session
            await session.rollback()
        await self._engine.dispose()

    async def read(self) -> Read:
        """What all of it reads, as PostgreSQL counts when it does it again."""
        connection = await asyncpg.connect(self.address)
        nodes: list[dict[str, Any]] = []
        transaction = connection.transaction()
        await transaction.start()
        for statement, parameters in self._sent:
            told = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *parameters)
            nodes += _nodes(json.loads(told)[0]["Plan"])
        await transaction.rollback()
        await connection.close()
        full = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
        return Read(int(sum(map(_rows, nodes))), frozenset(full & {"audio_files", "search", "digests", "speakers"}))


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


def _rows(node: dict[str, Any]) -> float:
    """What a scan looked at, wanted or not."""
    if "Scan" not in node["Node Type"] or node["Node Type"] in NO_TABLE:
        return 0
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    looked_at = sum(float(node.get(name, 0)) for name in ("Actual Rows", *removed))
    return looked_at * float(node["Actual Loops"])


NO_TABLE = {"Subquery Scan", "CTE Scan", "WorkTable Scan", "Bitmap Index Scan"}  # what these find is counted elsewhere
LISTS = {
    "everything": (Filters(), 2 * PAGE),
    "a status that most have": (Filters(status=ProcessingStatus.COMPLETED), 3 * PAGE),
    "a status that few have": (Filters(status=ProcessingStatus.FAILED), 4 * 600),
    "a status that none has": (Filters(status=ProcessingStatus.UPLOADED), 0),
    "a category": (Filters(category="Category 3"), 16_000),
    "a tag": (Filters(tag="Tag 7"), 4 * 1000),
    "a tag of long ago": (Filters(tag="Old"), pagination.WALKED_ROWS + 4 * 4000),
    "a user": (Filters(user_id="user 5"), 4 * 2000),
    "a user of long ago": (Filters(user_id="early"), 4 * 2000),
    "a tag and a category": (Filters(tag="Tag 7", category="Category 3"), 40_000),
    "a word that all have": (Filters(text="memo"), 10 * PAGE),
    "a word that few have": (Filters(text="seldom"), 6 * 600),
    "a word that one has": (Filters(text="77777"), 20),
    "a word that none has": (Filters(text="nothing"), 0),
    "a word of a user": (Filters(text="memo", user_id="user 5"), 8 * 2000),
    "a speaker of few": (Filters(speakers=("anna",)), 6 * 600),
    "a speaker of none": (Filters(speakers=("carl",)), 0),
    "a speaker of all": (Filters(speakers=("speaker 1",)), 10 * PAGE),
    "two speakers": (Filters(speakers=("anna", "speaker 1")), 12 * 600),
    "what a speaker of few says": (Filters(text="seldom", speakers=("anna",)), 8 * 600),
    "a word of all and a speaker of few": (Filters(text="memo", speakers=("anna",)), 8 * 600),
    "a word of few and a speaker of all": (Filters(text="seldom", speakers=("speaker 1",)), 12 * 600),
    "a word of one and a speaker of all": (Filters(text="77777", speakers=("speaker 1",)), 40),
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_reads_what_it_shows(large: str, name: str) -> None:
    """With each filter a list's pages are read by indexes, and cost what they show, or what the filter finds."""
    wanted, most = LISTS[name]
    after: Cursor | None = None
    for _ in range(2):
        watching = Watching(large)
        async with watching.session() as session:
            found = await pagination.page(session, wanted, sorting=NEWEST_FIRST, limit=PAGE, offset=0, after=after)
        read = await watching.read()
        assert not read.in_full
        assert read.rows <= most, read
        after = found.after
        if after is None:
            break


async def test_a_deep_page_costs_what_the_first_does(large: str) -> None:
    """Behind a cursor a page deep in the list, and the last one, read no more than the first."""
    async with Watching(large).session() as session:
        deep = await pagination.page(
            session, Filters(), sorting=NEWEST_FIRST, limit=PAGE, offset=ROWS - 2 * PAGE, after=None
        )
    assert deep.total == ROWS
    after, pages = deep.after, 0
    while after is not None:
        for wanted in (Filters(), Filters(status=ProcessingStatus.COMPLETED)):
            watching = Watching(large)
            async with watching.session() as session:
                found = await pagination.page(session, wanted, sorting=NEWEST_FIRST, limit=PAGE, offset=0, after=after)
            read = await watching.read()
            assert (not read.in_full, read.rows <= 10 * PAGE) == (True, True), read
            if wanted == Filters():
                behind = found.after
        after, pages = behind, pages + 1
    assert pages == 1


async def test_many_are_estimated_and_few_are_counted(large: str) -> None:
    """A total of many is near to the truth and says that it is no more than that; it never ends a list too early."""
    for wanted, about, is_exact in (
        (Filters(), ROWS, False),
        (Filters(status=ProcessingStatus.COMPLETED), ROWS * 0.995, False),
        (Filters(status=ProcessingStatus.FAILED), ROWS * 0.005, True),
    ):
        async with Watching(large).session() as session:
            found = await pagination.page(session, wanted, sorting=NEWEST_FIRST, limit=PAGE, offset=0, after=None)
            assert found.total == (about if is_exact else pytest.approx(about, rel=0.05))
            assert found.total_is_exact is is_exact
            last = await pagination.page(
                session, wanted, sorting=NEWEST_FIRST, limit=PAGE, offset=int(about) - 5, after=None
            )
            assert (last.total, last.total_is_exact, last.after) == (about, True, None)
            behind = await pagination.page(
                session, wanted, sorting=NEWEST_FIRST, limit=PAGE, offset=2 * ROWS, after=None
            )
            assert (behind.total, behind.total_is_exact, behind.items) == (about, True, [])


@pytest.mark.parametrize("user_id", [None, "user 5"])
async def test_tags_are_not_read_from_every_recording(large: str, user_id: str | None) -> None:
    """The tags in use cost as many steps as there are tags, or one user's recordings."""
    watching = Watching(large)
    async with watching.session() as session:
        tags, categories = await label_index.labels_in_use(session, user_id)
    assert tags == sorted(tags)
    assert (len(tags), len(categories)) == (129, 8)
    read = await watching.read()
    assert (read.in_full, read.rows <= 4 * 2000) == (frozenset(), True), read


async def test_a_delete_touches_one_recording(large: str) -> None:
    """A recording is removed by its id, however many there are."""
    watching = Watching(large)
    async with watching.session() as session:
        [item] = (await pagination.page(session, Filters(), sorting=NEWEST_FIRST, limit=1, offset=9, after=None)).items
        watching._sent.clear()
        removed = await removal.remove(session, repository.one(item.id, item.user_id))
        assert removed == {item.id: item.file_path}
    read = await watching.read()
    assert (read.in_full, read.rows <= 3) == (frozenset(), True), read


@pytest.fixture
async def without_statistics(server_address: str, healed: str) -> AsyncIterator[str]:
    """The address of a database that has got recordings so fast that PostgreSQL knows nothing of them yet."""
    async with fresh_database(server_address, template=healed) as address:
        connection = await asyncpg.connect(address)
        for table in ("audio_files", "pegasus_system.digests"):
            await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        await connection.execute(FILL, 3000)
        await connection.execute(DIGESTS)
        await connection.close()
        yield address


async def test_what_has_the_same_bytes_is_found_by_an_index(large: str) -> None:
    """An upload reads the one recording that has its bytes, however many others there are."""
    await finds_originals_by_an_index(large)


async def test_what_has_the_same_bytes_is_found_by_an_index_from_the_start(without_statistics: str) -> None:
    """It does so as long as PostgreSQL knows nothing of the tables, too."""
    await finds_originals_by_an_index(without_statistics)


async def test_the_first_of_very_many_with_the_same_bytes_is_found_at_once(without_statistics: str) -> None:
    """However often the same bytes have come, an upload reads the first recording with them alone."""
    connection = await asyncpg.connect(without_statistics)
    await connection.execute("UPDATE pegasus_system.digests SET sha256 = sha256('the same')")
    first = "SELECT id FROM audio_files WHERE user_id = 'early' ORDER BY upload_timestamp LIMIT 1"
    first_id = await connection.fetchval(first)
    await connection.close()
    watching = Watching(without_statistics)
    async with watching.session() as session:
        new = AudioFile(id=uuid4(), user_id="early")
        recording = await find_original(session, new, sha256=hashlib.sha256(b"the same").digest())
        assert recording is not None
        assert recording.id == first_id
    read = await watching.read()
    assert (read.in_full, read.rows <= 10) == (frozenset(), True), read


async def finds_originals_by_an_index(address: str) -> None:
    """Looks up what has the bytes of some recordings, and asks what was read for that."""
    watching = Watching(address)
    async with watching.session() as session:
        page = await pagination.page(session, Filters(), sorting=NEWEST_FIRST, limit=20, offset=9, after=None)
        watching._sent.clear()
        digests = {item.id: hashlib.sha256(item.filename.encode()).digest() for item in page.items}
        sent: list[list[Any]] = [
            [uuid4() for _ in digests],
            [item.user_id for item in page.items],
            list(digests.values()),
        ]
        arrays = "SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::bytea[]) AS sent (id, user_id, sha256)"
        statement = f"WITH sent AS ({arrays}) {ORIGINALS}"
        watching._sent.append((statement, sent))
        originals = read_originals(await (await driver_connection(session)).fetchval(statement, *sent))
        assert [originals[new].id for new in sent[0]] == [item.id for item in page.items]
        new = AudioFile(id=uuid4(), user_id=page.items[0].user_id)
        recording = await find_original(session, new, sha256=digests[page.items[0].id])
        assert recording is not None
        assert recording.id == page.items[0].id
        assert await original_of(session, recording) is None
    read = await watching.read()
    assert (read.in_full, read.rows <= 4 * 20 + 10) == (frozenset(), True), read


async def test_many_recordings_are_locked_by_their_ids(large: str) -> None:
    """Changes of many recordings read these alone, however many others there are."""
    watching = Watching(large)
    async with watching.session() as session:
        page = await pagination.page(session, Filters(), sorting=NEWEST_FIRST, limit=100, offset=9, after=None)
        ids = [item.id for item in page.items]
        watching._sent.clear()
        locked = await repository.lock(session, [repository.any_of(ids)])
        assert (set(locked), list(locked)) == (set(ids), sorted(ids))
    read = await watching.read()
    assert (read.in_full, read.rows <= 3 * 100) == (frozenset(), True), read
