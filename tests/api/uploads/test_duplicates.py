"""The same bytes sent twice are told by every way in, and kept, refused or answered by what is there, as asked."""

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest

from app.storage_factory import open_storage
from audio.upkeep.manifest_repair import Manifests
from audio.upkeep.sweeper import Sweeper
from core.database.engine import open_engine, sessions_on
from core.settings import Settings
from tests.api.conftest import Look, MakeToken, Serve, Upload, problem
from tests.api.uploads.test_tus import BYTES, TUS, metadata
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.stored import Stored

CONTENT = recording("wav")
RAW = {"Content-Type": "audio/wav"}
DRAFT = {"Upload-Draft-Interop-Version": "8", "Upload-Complete": "?1", "Content-Type": "audio/wav"}


async def sent(client: httpx.AsyncClient, way: str, policy: str | None = None) -> httpx.Response:
    """The last answer to an upload of the same bytes, by one of the ways in."""
    policies = {} if policy is None else {"duplicates": policy}
    match way:
        case "form":
            files = {"file": ("again.wav", CONTENT)}
            return await client.post("/api/audio/upload", files=files, data=policies)
        case "raw":
            return await client.post("/api/audio/upload", params=policies, content=CONTENT, headers=RAW)
        case "draft":
            return await client.post("/api/audio/upload", params=policies, content=CONTENT, headers=DRAFT)
    headers = TUS | {"Upload-Length": str(len(CONTENT)), "Upload-Metadata": metadata(filename="again.wav", **policies)}
    if way == "tus in one request":
        return await client.post("/api/uploads", headers=headers | BYTES, content=CONTENT)
    begun = await client.post("/api/uploads", headers=headers)
    return await client.patch(begun.headers["location"], content=CONTENT, headers=TUS | BYTES | {"Upload-Offset": "0"})


def ids_of(answer: httpx.Response) -> tuple[str, str | None]:
    """The ids of the recording that an answer is about, and of the one that was there before with the same bytes."""
    assert answer.status_code in {200, 201, 204}, answer.text
    if "upload-recording-id" in answer.headers and not answer.content:
        return answer.headers["upload-recording-id"], answer.headers.get("upload-duplicate-of")
    body = answer.json()
    return body["id"], body["duplicate_of"] and body["duplicate_of"]["id"]


WAYS = pytest.mark.parametrize("way", ["form", "raw", "draft", "tus", "tus in one request"])


@WAYS
async def test_the_same_bytes_are_told(client: httpx.AsyncClient, way: str, kept: Look) -> None:
    """An upload says which recording has its bytes already: the first, with its title; other bytes say nothing."""
    first, nothing = ids_of(await sent(client, way))
    assert nothing is None
    await client.patch(f"/api/audio/{first}", json={"title": "Monday"})
    second, original = ids_of(await sent(client, way))
    assert (original, second != first) == (first, True)
    answer = await sent(client, "form", "keep")
    shown = (await client.get(f"/api/audio/{first}")).json()
    assert answer.json()["duplicate_of"] == {
        "id": first,
        "title": "Monday",
        "original_filename": shown["original_filename"],
        "uploaded_at": answer.json()["duplicate_of"]["uploaded_at"],
    }
    at = answer.json()["duplicate_of"]["uploaded_at"]
    assert datetime.fromisoformat(at) == datetime.fromisoformat(shown["upload_timestamp"])
    assert len((await kept()).rows) == 3


@WAYS
async def test_a_duplicate_is_refused(client: httpx.AsyncClient, way: str, kept: Look) -> None:
    """Who asks for it is refused, told what is there, and nothing stays of the upload; what is new comes in."""
    first, _ = ids_of(await sent(client, way, "refuse"))
    before = await kept()
    answer = problem(await sent(client, way, "refuse"), status=412, slug="duplicate")
    assert answer["duplicate_of"]["id"] == first
    assert await kept() == before
    await client.delete(f"/api/audio/{first}")
    assert ids_of(await sent(client, way, "refuse"))[1] is None


@WAYS
async def test_what_is_there_is_returned(client: httpx.AsyncClient, way: str, kept: Look) -> None:
    """Who asks for it gets the recording that is there, and nothing is added."""
    first, _ = ids_of(await sent(client, way, "return"))
    before = await kept()
    assert ids_of(await sent(client, way, "return")) == (first, first)
    assert await kept() == before


@WAYS
@pytest.mark.parametrize("policy", ["refuse", "return"])
async def test_of_two_at_once_one_comes_in(client: httpx.AsyncClient, way: str, policy: str, kept: Look) -> None:
    """Of many uploads of the same bytes at the same time exactly one is kept."""
    answers = await asyncio.gather(*(sent(client, way, policy) for _ in range(4)))
    everything = await kept()
    assert (len(everything.rows), len(everything.files)) == (1, 2)
    if policy == "return":
        assert {ids_of(answer)[0] for answer in answers} == {str(everything.rows[0]["id"])}
    else:
        assert sorted(answer.status_code for answer in answers)[1:] == [412] * 3


@pytest.mark.parametrize("policy", ["refuse", "return"])
@WAYS
async def test_a_recording_without_its_bytes_has_no_duplicates(
    client: httpx.AsyncClient, way: str, policy: str, settings: Settings, kept: Look
) -> None:
    """Bytes that storage has lost aren't there already: the upload that brings them again is kept."""
    first, _ = ids_of(await sent(client, way))
    path = (await kept()).rows[0]["file_path"]
    Stored(settings).remove(path)
    second, _ = ids_of(await sent(client, way, policy))
    assert second != first
    assert (await client.get(f"/api/audio/{second}/download")).content == CONTENT


async def test_a_replayed_upload_says_the_same(client: httpx.AsyncClient) -> None:
    """An upload that is sent again under its key is answered as the first time."""
    await sent(client, "form")
    files, headers = {"file": ("again.wav", CONTENT)}, {"Idempotency-Key": "once"}
    first = await client.post("/api/audio/upload", files=files, headers=headers)
    again = await client.post("/api/audio/upload", files=files, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert first.json()["duplicate_of"] is not None


@WAYS
async def test_an_unknown_policy_is_refused(client: httpx.AsyncClient, way: str, kept: Look) -> None:
    """A policy that there isn't is refused before anything is kept."""
    if not way.startswith("tus"):
        problem(await sent(client, way, "forget"), status=422, slug="duplicates-unknown")
    else:
        headers = TUS | {"Upload-Length": "9", "Upload-Metadata": metadata(duplicates="forget")}
        problem(await client.post("/api/uploads", headers=headers), status=422, slug="duplicates-unknown")
    assert await kept() == type(await kept())([], set())


async def test_other_peoples_bytes_are_nobodys_duplicate(serve: Serve, make_token: MakeToken) -> None:
    """Nobody learns from an upload that another user has the same bytes."""
    ada, eve = [{"Authorization": f"Bearer {(await make_token(user))[1]}"} for user in ("ada", "eve")]
    async with serve(auth="tokens") as client:
        form: dict[str, Any] = {"files": {"file": ("memo.wav", CONTENT)}, "data": {"duplicates": "refuse"}}
        assert (await client.post("/api/audio/upload", headers=ada, **form)).status_code == 200
        answer = await client.post("/api/audio/upload", headers=eve, **form)
        assert (answer.status_code, answer.json()["duplicate_of"]) == (200, None)
        problem(await client.post("/api/audio/upload", headers=ada, **form), status=412, slug="duplicate")


async def test_recordings_from_before_are_found_too(
    client: httpx.AsyncClient, upload: Upload, run_sql: RunSql, settings: Settings, database: str
) -> None:
    """A sweep adds the digests of recordings that came in before there was a table of them."""
    first = await upload()
    await run_sql("DELETE FROM pegasus_system.digests")
    assert (await upload())["duplicate_of"] is None
    engine, storage = open_engine(database), open_storage(settings)
    sessions = sessions_on(engine, database)
    await Sweeper(
        sessions=sessions, upkeep=storage.upkeep(), manifests=Manifests(sessions=sessions, storage=storage)
    ).sweep()
    await engine.dispose()
    assert (await upload())["duplicate_of"]["id"] == first["id"]
    await client.post("/api/audio/bulk", json={"action": "delete", "ids": [first["id"]]})
    assert len(await run_sql("SELECT FROM pegasus_system.digests")) == 2
