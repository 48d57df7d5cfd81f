"""The database is lost: what was in its table is given back by storage alone."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from starlette.responses import JSONResponse, Response

from app.storage_factory import open_storage
from audio.upkeep.manifest_repair import Manifests
from audio.upkeep.sweeper import Sweeper
from core.database.engine import open_engine, sessions_on
from core.settings import Settings
from tests.api.conftest import Serve, Upload
from tests.api.processing import ended, working
from tests.api.uploads.test_tus import BYTES, TUS, metadata
from tests.audio.samples import recording
from tests.audio.transcription.service import OPENAI_ANSWER, SAID, Asked, speaking
from tests.conftest import RunSql, fresh_database
from tests.forks import ended_fork
from tests.stored import storage_environment

BETTER = SAID.replace("report before", "report, before")
ROWS = "SELECT * FROM audio_files ORDER BY id"


@pytest.fixture
async def new_database(server_address: str, healed: str) -> AsyncIterator[str]:
    """The address of another database, healed and empty."""
    async with fresh_database(server_address, template=healed) as address:
        yield address


def rebuild(database: str, settings: Settings, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Runs `python -m storage rebuild`: its exit code, its lines, and what it complains of."""
    told = {"DATABASE_URL": database} | storage_environment(settings)
    done = ended_fork("-m", "storage", "rebuild", "--json", *arguments, **told)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


async def asked(database: str, statement: str) -> list[dict[str, Any]]:
    """The rows that a statement answers with in a database."""
    connection = await asyncpg.connect(database)
    try:
        return [dict(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def by_tus(client: httpx.AsyncClient, **texts: str) -> dict[str, Any]:
    """Uploads a recording by tus, and returns it."""
    content = recording("flac")
    told = TUS | {"Upload-Length": str(len(content)), "Upload-Metadata": metadata(**texts)}
    begun = await client.post("/api/uploads", headers=told)
    where = begun.headers["location"]
    await client.patch(where, content=content, headers=TUS | BYTES | {"Upload-Offset": "0"})
    found: dict[str, Any] = (await client.get(f"/api/audio/{where.rpartition('/')[2]}")).json()
    return found


def engined(settings: Settings, address: str) -> Settings:
    """An engine and a model that improves."""
    told = {"transcription_engine": "openai", "openai_base_url": f"{address}/v1"}
    return settings.model_copy(update=told | {"ollama_base_url": address, "ollama_model": "llama"})


async def hear(client: httpx.AsyncClient, settings: Settings, heard: Any, stuck: Any) -> None:
    """One recording is transcribed and improved; another is being transcribed when its worker stops."""
    hearing = 0

    async def answer(question: Asked) -> Response:
        nonlocal hearing
        if question.body is not None:
            return JSONResponse({"choices": [{"message": {"content": BETTER}, "finish_reason": "stop"}]})
        hearing += 1
        if hearing > 1:
            await asyncio.sleep(100)
        return JSONResponse(OPENAI_ANSWER)

    async with speaking() as speaker:
        speaker.answer = answer
        async with working(engined(settings, speaker.address)):
            await ended(client, await heard())
            waiting = await stuck()
            while (await client.get(f"/api/audio/{waiting['id']}")).json()["processing_status"] != "transcribing":
                await asyncio.sleep(0.03)


async def live(client: httpx.AsyncClient, settings: Settings, upload: Upload) -> None:
    """What happens to a library: recordings in every state, relabelled, deleted, with and without a transcript."""
    labelled = await upload("mp3", file_name="Ümlaut 1.mp3", tag="Work", category="Q&A", user_id="anna")
    damaged = {"file": ("broken.m4a", recording("m4a")[:600] + bytes(3000))}
    failed = (await client.post("/api/audio/upload", files=damaged)).json()
    resumed = await by_tus(client, filename="resumed.flac", tag="Before")
    deleted = await upload()
    async with working(settings):
        await ended(client, labelled, failed, resumed, deleted, await upload("webm live", file_name="live.webm"))
    await client.put(f"/api/audio/{resumed['id']}/tags", json={"tag": "Afterwards", "category": "Ö"})
    await client.patch(f"/api/audio/{labelled['id']}", json={"title": "Die Prüfung"})
    await client.delete(f"/api/audio/{deleted['id']}")
    await hear(client, settings, lambda: upload("ogg opus", file_name="said.ogg"), lambda: upload("flac"))
    await upload("wav", file_name="new.wav")


async def test_the_table_is_given_back(
    client: httpx.AsyncClient,
    settings: Settings,
    upload: Upload,
    run_sql: RunSql,
    serve: Serve,
    new_database: str,
) -> None:
    """Every row comes back as it was, column by column, unfinished ones with their jobs, and nothing else does."""
    await live(client, settings, upload)
    rows = [dict(row) for row in await run_sql(ROWS)]
    states = [row["processing_status"] for row in rows]
    by_name = {row["original_filename"]: row["id"] for row in rows}
    assert sorted(states) == ["completed"] * 4 + ["failed", "transcribing", "uploaded"]

    code, [tally], _ = rebuild(new_database, settings, "--verify")
    assert (code, tally["rebuilt"], tally["enqueued"], tally["not_rebuilt"]) == (0, 7, 2, 0)
    assert await asked(new_database, ROWS) == rows
    [titled] = await asked(new_database, "SELECT recording_id, title FROM pegasus_system.titles")
    assert titled == {"recording_id": by_name["Ümlaut 1.mp3"], "title": "Die Prüfung"}
    due = {row["id"] for row in rows if row["processing_status"] in {"uploaded", "transcribing"}}
    jobs = await asked(new_database, "SELECT convert_from(payload, 'UTF8')::uuid AS id FROM pgqueuer.pgqueuer")
    assert {job["id"] for job in jobs} == due
    told = "SELECT FROM pegasus_system.events UNION ALL SELECT FROM pegasus_system.announcements"
    assert await asked(new_database, told) == []

    code, [tally], _ = rebuild(new_database, settings)
    assert (code, tally["rebuilt"], tally["already_there"]) == (0, 0, 7)
    assert await asked(new_database, ROWS) == rows
    async with serve(database_url=new_database) as restored:
        await plays_and_finds(restored, rows)


async def plays_and_finds(client: httpx.AsyncClient, rows: list[dict[str, Any]]) -> None:
    """Everything that was there can be listened to, is found, and can be changed."""
    ids = {row["original_filename"]: row["id"] for row in rows}
    answers = [await client.get(f"/api/audio/{row['id']}/download") for row in rows]
    assert [len(answer.content) for answer in answers] == [row["file_size_bytes"] for row in rows]
    playback = await client.get(f"/api/audio/{ids['live.webm']}/download?variant=playback")
    assert playback.headers["content-type"] == "audio/webm"
    for query, name in (
        ("friday", "said.ogg"),
        ("afterw", "resumed.flac"),
        ("umlaut", "Ümlaut 1.mp3"),
        ("prüfung", "Ümlaut 1.mp3"),
    ):
        found = (await client.get("/api/audio", params={"q": query})).json()["items"]
        assert [item["original_filename"] for item in found] == [name]
    assert (await client.get(f"/api/audio/{ids['said.ogg']}/transcript")).json()["transcript"] == BETTER
    assert (await client.get(f"/api/audio/{ids['said.ogg']}/transcript?format=srt")).text.startswith("1\n00:00")
    assert (await client.delete(f"/api/audio/{ids['live.webm']}")).status_code == 200


@pytest.mark.folder  # where bytes are seen as soon as they are written
async def test_what_can_not_be_given_back_is_told(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, new_database: str
) -> None:
    """A recording whose manifest is missing, damaged or of other bytes gets no row, and it is said why."""
    root = settings.storage_root
    names = [next(root.rglob((await upload())["filename"])) for _ in range(6)]
    manifests = [Path(f"{name}.json") for name in names]
    manifests[0].unlink()
    manifests[1].write_text("{")
    os.truncate(names[2], 100)
    names[3].write_bytes(bytes(names[3].stat().st_size))
    manifests[4].write_text(json.dumps(json.loads(manifests[4].read_text()) | {"filename": "a" * 300}))
    put_aside = root / ".quarantine" / "2026/11/24/audio_20261124_100000_0123456789abcdef.wav"
    put_aside.parent.mkdir(parents=True)
    put_aside.write_bytes(recording("wav"))
    code, lines, _ = rebuild(new_database, settings, "--verify")
    assert code == 1
    assert {(line["obstacle"], Path(line["path"]).name) for line in lines[:-1]} == {
        ("no manifest", names[0].name),
        ("manifest unreadable", names[1].name),
        ("size differs", names[2].name),
        ("bytes changed", names[3].name),
        ("the table doesn't take what its manifest says", names[4].name),
    }
    assert (lines[-1]["rebuilt"], lines[-1]["not_rebuilt"]) == (1, 5)
    assert [row["filename"] for row in await asked(new_database, ROWS)] == [names[5].name]


async def test_another_storages_database_is_left_alone(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, serve: Serve, new_database: str, tmp_path: Path
) -> None:
    """A database that belongs to another storage gets no rows from this one; only a new one is taken over."""
    await upload()
    elsewhere = {} if settings.storage == "local" else {"storage": f"{settings.storage}-other"}
    async with serve(database_url=new_database, data_path=tmp_path / "other", **elsewhere):
        pass
    code, lines, complaint = rebuild(new_database, settings)
    assert (code, lines) == (1, [])
    assert "the database knows its storage, and this is another one" in complaint
    assert await asked(new_database, ROWS) == []


async def test_a_manifest_that_fell_behind_catches_up(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, database: str, run_sql: RunSql, new_database: str
) -> None:
    """What changed a row without its manifest, as older versions do, is in the manifest after the next sweep."""
    told = await upload()
    set_ = "UPDATE audio_files SET tag = 'By hand', processing_status = 'completed', original_transcript = 'hello',"
    await run_sql(
        f"{set_} improved_transcript = 'Hello.', transcription_completed_at = now(), updated_at = now(),"
        " improvement_completed_at = now()"
    )
    engine = open_engine(database)
    storage, sessions = open_storage(settings), sessions_on(engine, database)
    sweeper = Sweeper(
        sessions=sessions, upkeep=storage.upkeep(), manifests=Manifests(sessions=sessions, storage=storage)
    )
    renewed = [(await sweeper.sweep()).manifests_renewed for _ in range(2)]  # type: ignore[union-attr]
    await engine.dispose()
    assert renewed == [1, 0]
    code, _, _ = rebuild(new_database, settings)
    assert code == 0
    rows = await asked(new_database, ROWS)
    assert rows == [dict(row) for row in await run_sql(ROWS)]
    assert (str(rows[0]["id"]), rows[0]["tag"], rows[0]["improved_transcript"]) == (told["id"], "By hand", "Hello.")


@pytest.mark.folder
async def test_older_manifests_give_their_rows_back(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, new_database: str
) -> None:
    """A manifest from before it followed the row is understood, and what a later version added stays in it."""
    new, done = await upload("wav"), await upload("mp3")
    async with working(settings):
        await ended(client, new, done)
    root = settings.storage_root
    for one in (new, done):
        [path] = root.rglob(f"{one['filename']}.json")
        told = json.loads(path.read_text())
        known = {name: told[name] for name in told if name not in {"processing_status", "created_at", "updated_at"}}
        path.write_text(json.dumps(known | ({"found": None} if one is new else {}) | {"later": [1]}))
    await client.put(f"/api/audio/{done['id']}/tags", json={"tag": "x"})
    [path] = root.rglob(f"{done['filename']}.json")
    assert json.loads(path.read_text())["later"] == [1]
    assert rebuild(new_database, settings)[0] == 0
    rows = {str(row["id"]): row for row in await asked(new_database, ROWS)}
    assert rows[new["id"]]["processing_status"] == "uploaded"
    assert rows[done["id"]]["processing_status"] == "completed"
    assert rows[new["id"]]["created_at"] == rows[new["id"]]["upload_timestamp"]
