"""`speaker:` in a search: recordings by who speaks in them, and what they say there."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import pytest

from app.storage_factory import open_storage
from audio.transcription.contract import Segment, Transcript
from audio.transcription.document import document_name
from audio.upkeep.manifest_repair import Manifests
from audio.upkeep.sweeper import Sweeper
from core.database.engine import open_engine, sessions_on
from core.settings import Settings
from storage.contract import Storage
from tests.api.conftest import Upload
from tests.api.processing import ended, working
from tests.conftest import RunSql

Said = tuple[str | None, str]
BUDGET: tuple[Said, ...] = (
    ("1", "Good morning."),
    ("2", "Is this about the budget?"),
    (None, "Hm, a budget."),
    ("1", "It is. The budget grows."),
)
HOLIDAY: tuple[Said, ...] = (("1", "The holiday is near."), ("2", "And the budget is small."))
ALONE: tuple[Said, ...] = ((None, "Anna, the budget is here."),)


class Scripted:
    """An engine that hears what a test says, one call after the other."""

    name = "scripted"

    def __init__(self, *calls: tuple[Said, ...]) -> None:
        self._calls = list(calls)

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        call = self._calls.pop(0)
        segments = tuple(Segment(text, float(at), at + 1.0, speaker) for at, (speaker, text) in enumerate(call))
        return Transcript(" ".join(text for _, text in call), "en", segments=segments)

    async def close(self) -> None:
        pass


@pytest.fixture
async def calls(client: httpx.AsyncClient, settings: Settings, upload: Upload) -> dict[str, str]:
    """Three transcribed recordings, by their names: their ids."""
    uploaded = {}
    async with working(settings, engine=Scripted(BUDGET, HOLIDAY, ALONE)):
        for name in ("budget", "holiday", "alone"):
            recording = await upload(file_name=f"{name}.wav")
            await ended(client, recording)
            uploaded[name] = recording["id"]
    return uploaded


async def name_speakers(client: httpx.AsyncClient, recording_id: str, **names: str) -> None:
    url = f"/api/audio/{recording_id}/transcript/speakers"
    response = await client.put(url, json={"speakers": {name.strip("_"): text for name, text in names.items()}})
    assert response.status_code == 200, response.text


async def search(client: httpx.AsyncClient, query: str, **filters: str) -> dict[str, dict[str, Any]]:
    """The recordings that a search finds, by their names without extension."""
    response = await client.get("/api/audio/", params={"q": query, **filters})
    assert response.status_code == 200, response.text
    return {item["original_filename"].removesuffix(".wav"): item for item in response.json()["items"]}


def excerpts(item: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """Each highlighted field with its excerpt and what is marked in it."""
    return {
        one["field"]: (one["text"], [one["text"][start:end] for start, end in one["ranges"]])
        for one in item["highlights"]
    }


async def test_recordings_are_found_by_who_speaks(client: httpx.AsyncClient, calls: dict[str, str]) -> None:
    """By a name that people gave, without regard to case and accents, or else by what the transcript calls them."""
    await name_speakers(client, calls["budget"], _1="Anna Léé", _2="Bob")
    await name_speakers(client, calls["holiday"], _2="Hannah")
    for query, names in {
        "speaker:anna": {"budget"},
        "speaker:ANN": {"budget"},
        'speaker:"anna lee"': {"budget"},
        'speaker:"Lee"': {"budget"},
        'speaker:"anna bob"': set(),  # nobody has both names
        "speaker:anna speaker:bob": {"budget"},
        "speaker:anna speaker:hannah": set(),
        'speaker:"Speaker 1"': {"holiday"},
        "speaker:2": set(),  # both are named
        "speaker:carl": set(),
    }.items():
        assert set(await search(client, query)) == names, query
    await name_speakers(client, calls["budget"], _2="Bob")
    assert set(await search(client, "speaker:anna")) == set()
    assert set(await search(client, 'speaker:"speaker 1"')) == {"budget", "holiday"}


async def test_words_beside_a_speaker_narrow(client: httpx.AsyncClient, calls: dict[str, str]) -> None:
    """Of recordings in which she speaks those with the words, and what she says of them is the excerpt."""
    await name_speakers(client, calls["budget"], _1="Anna")
    await name_speakers(client, calls["holiday"], _1="Anna")
    assert set(await search(client, "budget")) == {"budget", "holiday", "alone"}
    found = await search(client, "speaker:anna budget")
    assert set(found) == {"budget", "holiday"}
    assert excerpts(found["budget"])["original_transcript"] == ("It is. The budget grows.", ["budget"])
    # She doesn't say it there herself: the excerpt is what others say of it.
    assert excerpts(found["holiday"])["original_transcript"][1] == ["budget"]
    assert set(await search(client, "speaker:anna holiday")) == {"holiday"}
    assert set(await search(client, "speaker:anna holiday", tag="Work")) == set()


async def test_a_speaker_alone_shows_what_they_say(client: httpx.AsyncClient, calls: dict[str, str]) -> None:
    """Without words the excerpt begins with what the speaker says first, and all that they say is marked."""
    await name_speakers(client, calls["budget"], _2="Bob")
    found = await search(client, "speaker:bob")
    text, marked = excerpts(found["budget"])["original_transcript"]
    assert text.startswith("Is this about the budget? Hm,")
    assert marked == ["Is this about the budget?"]


async def test_what_is_unsure_is_nobodys(client: httpx.AsyncClient, calls: dict[str, str]) -> None:
    """A transcript that tells nobody apart is found by no speaker, whatever it says or is called."""
    assert "alone" not in await search(client, "speaker:speaker")
    assert "alone" not in await search(client, "speaker:anna")


async def test_other_calls_take_speakers_too(client: httpx.AsyncClient, calls: dict[str, str]) -> None:
    """A filter of many recordings selects by speakers as a list does, and what is deleted is found no more."""
    await name_speakers(client, calls["budget"], _1="Anna")
    changed = {"action": "change", "filter": {"q": "speaker:anna"}, "changes": {"tag": "Hers"}}
    assert (await client.post("/api/audio/bulk", json=changed)).json()["changed"] == [calls["budget"]]
    await client.delete(f"/api/audio/{calls['budget']}")
    assert await search(client, "speaker:anna") == {}


async def test_nothing_stays_of_deleted_recordings(
    client: httpx.AsyncClient, calls: dict[str, str], run_sql: RunSql
) -> None:
    """The table of speakers has no row of a recording that is deleted."""
    for recording_id in calls.values():
        await client.delete(f"/api/audio/{recording_id}")
    assert await run_sql("SELECT FROM pegasus_system.speakers") == []


async def test_a_sweep_leaves_nothing_of_deleted_recordings(
    client: httpx.AsyncClient, calls: dict[str, str], run_sql: RunSql, settings: Settings, database: str
) -> None:
    """Neither of one that is deleted while the sweep reads its transcript, nor of one that an older server deleted."""
    await run_sql("DELETE FROM pegasus_system.speakers WHERE recording_id = $1", calls["budget"])
    await run_sql("DELETE FROM audio_files WHERE id = $1", calls["holiday"])
    engine, storage = open_engine(database), open_storage(settings)

    class DeletedMeanwhile:
        """A storage that is read a moment after its recording was deleted."""

        async def read(self, name: str, **span: int) -> AsyncIterator[bytes]:
            if name.endswith(document_name("")):
                await client.delete(f"/api/audio/{calls['budget']}")
            async for piece in storage.read(name, **span):
                yield piece

    sessions = sessions_on(engine, database)
    manifests = Manifests(sessions=sessions, storage=cast("Storage", DeletedMeanwhile()))
    await manifests.add_speakers([UUID(calls["budget"])])
    await Sweeper(sessions=sessions, upkeep=storage.upkeep(), manifests=manifests).sweep()
    await engine.dispose()
    [row] = await run_sql("SELECT recording_id FROM pegasus_system.speakers")
    assert str(row["recording_id"]) == calls["alone"]


async def test_transcripts_from_before_are_found_too(
    client: httpx.AsyncClient, calls: dict[str, str], run_sql: RunSql, settings: Settings, database: str
) -> None:
    """A sweep adds who speaks in transcripts that were made before there was a table of it, and looks at each once."""
    await name_speakers(client, calls["budget"], _1="Anna")
    before = await run_sql("SELECT * FROM pegasus_system.speakers ORDER BY recording_id")
    await run_sql("DELETE FROM pegasus_system.speakers")
    assert await search(client, "speaker:anna") == {}
    engine, storage = open_engine(database), open_storage(settings)
    sessions = sessions_on(engine, database)
    manifests = Manifests(sessions=sessions, storage=storage)
    await Sweeper(sessions=sessions, upkeep=storage.upkeep(), manifests=manifests).sweep()
    await engine.dispose()
    assert set(await search(client, "speaker:anna")) == {"budget"}
    after = await run_sql("SELECT * FROM pegasus_system.speakers ORDER BY recording_id")
    assert [tuple(row) for row in after] == [tuple(row) for row in before]
    assert {str(row["recording_id"]) for row in after} == set(calls.values())
