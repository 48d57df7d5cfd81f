"""Search: what is found by which words, that nothing is forgotten, and that it is found by an index."""

import asyncio
import json
import random
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from audio.events.announcements import announcing
from audio.model.audio_file import AudioFile
from audio.search.index import MOST_BYTES, IndexEntry, SearchIndex, matching
from core.settings import Settings
from tests.api.conftest import Started, Upload
from tests.api.recordings.test_recordings import OldRow, listed, old_row
from tests.conftest import RunSql

__all__ = ["old_row"]
MANY = """
    WITH many AS (
        INSERT INTO audio_files (id, filename, file_path, original_filename, processing_status)
        SELECT gen_random_uuid(), 'a', 'a' || n, 'pipe ' || n, 'uploaded' FROM generate_series(1, 20000) AS n
        RETURNING id, original_filename AS name
    )
    INSERT INTO pegasus_system.search SELECT id, 0, name, array_to_tsvector(
        string_to_array(name, ' ')
        || ARRAY(SELECT chr(1) || substr(name, n, 3) FROM generate_series(1, length(name)) AS n)
    ) FROM many
"""


async def found(client: httpx.AsyncClient, query: str) -> list[dict[str, Any]]:
    """What a search answers."""
    page = (await client.get("/api/audio/", params={"q": query})).json()
    assert page["total"] == len(page["items"])
    items: list[dict[str, Any]] = page["items"]
    return items


def marked(item: dict[str, Any]) -> dict[str, list[str]]:
    """The marked parts of a recording's texts."""
    return {one["field"]: [one["text"][start:end] for start, end in one["ranges"]] for one in item["highlights"]}


async def transcribe(engine: AsyncEngine, recording_id: str, **transcripts: str) -> None:
    """Gives a recording transcripts, as a worker does."""
    async with AsyncSession(engine) as session:
        step = update(AudioFile).where(AudioFile.id == UUID(recording_id)).values(**transcripts)
        await session.execute(announcing(step, change="progressed"))
        await session.commit()


async def test_words_are_found_and_marked(client: httpx.AsyncClient, upload: Upload, engine: AsyncEngine) -> None:
    """A search finds all its words anywhere in a recording, and shows where; markup in a text stays a text."""
    one = await upload(file_name="Interview_Zürich.wav", tag="Work", category="Q&A")
    await upload(file_name="other.wav", tag="Work")
    told = "Well, " * 60 + "we met at <b>the Bahnhof</b> in ZÜRICH."
    await transcribe(engine, one["id"], original_transcript=told)
    [item] = await found(client, "work bahnh zurich")
    assert item["id"] == one["id"]
    assert marked(item) == {
        "original_filename": ["Zürich"],
        "tag": ["Work"],
        "original_transcript": ["Bahnhof", "ZÜRICH"],
    }
    [excerpt] = [one["text"] for one in item["highlights"] if one["field"] == "original_transcript"]
    assert "<b>the Bahnhof</b>" in excerpt
    assert len(excerpt) < 300
    assert await found(client, "work bern") == []
    assert marked((await found(client, "&"))[0]) == {"category": ["&"]}
    assert "highlights" not in (await client.get("/api/audio/")).json()["items"][0]


async def test_any_part_of_a_name_is_found(client: httpx.AsyncClient, upload: Upload) -> None:
    """A name is found by any part of it, of any length, with the signs that are in it."""
    await upload(file_name="Ümlaut 100% it's.wav", tag="a\\b")
    for query in ("mlau", "ML", "%", "t", "100% IT'S.w", "v", "'", "\\", ".wav", "ümlaut 100% it's.wav"):
        assert await listed(client, q=query) == ["Ümlaut 100% it's.wav"], query
    for query in ("mlaux", "100%itx", "%x", "wavv", "mlaut it"):
        assert await listed(client, q=query) == [], query


async def test_what_changes_is_found_by_what_it_is_now(
    client: httpx.AsyncClient, upload: Upload, engine: AsyncEngine, run_sql: RunSql
) -> None:
    """New labels and transcripts are found at once, old ones no more, and of a deleted recording nothing stays."""
    told = await upload(tag="Before")
    await client.put(f"/api/audio/{told['id']}/tags", json={"tag": "Afterwards"})
    assert len(await found(client, "afterw")) == 1
    assert await found(client, "before") == []
    await transcribe(engine, told["id"], original_transcript="um hello", improved_transcript="Hello.")
    assert marked((await found(client, "hello"))[0]) == {
        "original_transcript": ["hello"],
        "improved_transcript": ["Hello"],
    }
    await client.delete(f"/api/audio/{told['id']}")
    assert await found(client, "hello") == []
    assert await run_sql("SELECT FROM pegasus_system.search") == []


@pytest.fixture
async def index(app: Started) -> SearchIndex:
    """The search index of the application, once it has swept."""
    index: SearchIndex = app.state["services"].recordings.index
    while not index.complete:
        await asyncio.sleep(0.01)
    return index


async def test_what_nobody_announced_is_found(
    client: httpx.AsyncClient, upload: Upload, old_row: OldRow, run_sql: RunSql, index: SearchIndex
) -> None:
    """Rows from before, and changes by who knows nothing of the index, are found: slowly at first, then by a sweep."""
    one = await old_row("old.wav", original_transcript="hello there")
    assert await found(client, "hello") == []
    index.complete = False
    assert [item["id"] for item in await found(client, "hello")] == [one]
    await index.sweep()
    index.complete = True
    assert [item["id"] for item in await found(client, "hel the")] == [one]
    await run_sql("UPDATE audio_files SET original_transcript = 'good bye'")
    await upload()
    await run_sql("DELETE FROM audio_files WHERE original_filename = 'memo.wav'")
    await index.sweep()
    assert await found(client, "hello") == []
    assert [item["id"] for item in await found(client, "bye")] == [one]
    assert len(await run_sql("SELECT FROM pegasus_system.search")) == 1


async def test_a_transcript_may_be_long(
    client: httpx.AsyncClient, upload: Upload, engine: AsyncEngine, run_sql: RunSql
) -> None:
    """A transcript of 2 MB can be written and is found by its words; if all of them differ, by as many as have room."""
    told = await upload()
    chosen = random.Random(1)
    spoken = " ".join(f"word{chosen.randrange(20_000)}" for _ in range(200_000))
    await transcribe(engine, told["id"], original_transcript=f"{spoken} finally")
    assert len(await found(client, "finally")) == 1
    await transcribe(
        engine, told["id"], original_transcript=" ".join(f"first {at:x}different" for at in range(120_000))
    )
    assert len(await found(client, "first")) == 1
    [row] = await run_sql("SELECT pg_column_size(vector) AS size FROM pegasus_system.search")
    assert row["size"] < 1024 * 1024
    assert sum(map(len, IndexEntry.of([], [" ".join(f"{at}x" for at in range(200_000))]).lexemes)) <= MOST_BYTES


@pytest.mark.parametrize("query", ["nee", "needle", "pipe 7777"])
async def test_it_is_found_by_an_index(settings: Settings, index: SearchIndex, engine: AsyncEngine, query: str) -> None:
    """Among many recordings a search reads the index, and not the table of recordings or all that they are found by."""
    async with engine.begin() as connection:
        await connection.execute(text(MANY))
        await connection.execute(text("ANALYZE audio_files, pegasus_system.search"))
        statement = select(AudioFile.id).where(matching(query))
        compiled = statement.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True})
        plan = json.dumps((await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}")).scalar())
    assert "ix_search_vector" in plan
    assert "Seq Scan" not in plan, plan
