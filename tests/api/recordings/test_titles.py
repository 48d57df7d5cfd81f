"""What a person calls a recording: changed, found, announced, kept beside its bytes, and gone with it."""

import json
from typing import Any

import httpx
import pytest

from core.settings import Settings
from tests.api.conftest import MakeToken, Serve, Upload, problem
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.stored import Stored

TITLE = "Interview mit Bürgermeister Müller 🎙"


async def changed(client: httpx.AsyncClient, shown: dict[str, Any], **values: object) -> dict[str, Any]:
    """What a PATCH of a recording is answered with."""
    answer = await client.patch(f"/api/audio/{shown['id']}", json=values)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def manifest(settings: Settings, shown: dict[str, Any]) -> dict[str, Any]:
    """What lies beside a recording's bytes."""
    stored = Stored(settings)
    [name] = [name for name in stored.sizes() if name.endswith(".json") and shown["id"].replace("-", "")[:16] in name]
    return dict(json.loads(stored.read(name)))


async def test_a_title_is_given_changed_and_taken_away(
    client: httpx.AsyncClient, upload: Upload, settings: Settings
) -> None:
    """A title is in every answer and in the manifest, beside the file's own name, which stays."""
    shown = await upload(tag="Work")
    assert shown["title"] is None
    first = await changed(client, shown, title=f"  {TITLE} ")
    assert (first["title"], first["tag"], first["original_filename"]) == (TITLE, "Work", "memo.wav")
    assert manifest(settings, shown)["title"] == TITLE
    second = await changed(client, shown, title="Another", tag=None, category="Meeting")
    assert (second["title"], second["tag"], second["category"]) == ("Another", None, "Meeting")
    [item] = (await client.get("/api/audio/")).json()["items"]
    assert item == second == (await client.get(f"/api/audio/{shown['id']}")).json()
    assert (await changed(client, shown, tag="Home"))["title"] == "Another"
    assert (await changed(client, shown, title=""))["title"] is None
    assert manifest(settings, shown)["title"] is None


async def test_a_title_is_found(client: httpx.AsyncClient, upload: Upload) -> None:
    """A search finds words of a title and parts of them, says where, and forgets what it was before."""
    shown = await upload()
    await upload()
    await changed(client, shown, title=TITLE)
    for words in ("interview", "müll", "germeist"):
        [item] = (await client.get("/api/audio/", params={"q": words})).json()["items"]
        assert item["id"] == shown["id"]
        assert item["highlights"][0]["field"] == "title"
    await changed(client, shown, title="Lunch")
    assert (await client.get("/api/audio/", params={"q": "interview"})).json()["items"] == []


async def test_a_title_is_announced_and_goes_with_its_recording(
    client: httpx.AsyncClient, upload: Upload, run_sql: RunSql
) -> None:
    """Whoever listens hears a new title; a deleted recording leaves none behind."""
    shown = await upload()
    await changed(client, shown, title=TITLE)
    assert (await client.delete(f"/api/audio/{shown['id']}")).status_code == 200
    await client.get("/api/audio/", params={"q": "numbers what was announced"})
    told = [
        (row["change"], json.loads(row["told"])["title"])
        for row in await run_sql("SELECT change, told FROM pegasus_system.events ORDER BY number")
    ]
    assert told == [("created", None), ("relabelled", TITLE), ("deleted", TITLE)]
    assert not await run_sql("SELECT FROM pegasus_system.titles")


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"title": "x" * 201}, 422, "label-too-long"),
        ({"title": "two\nlines"}, 422, "label-unprintable"),
        ({"title": 7}, 422, "request-invalid"),
        ({"name": "x"}, 422, "request-invalid"),
    ],
)
async def test_what_is_no_title_changes_nothing(
    client: httpx.AsyncClient, upload: Upload, body: dict[str, object], status: int, slug: str
) -> None:
    """A title too long, of two lines, or under another name is refused, and all stays as it was."""
    shown = await upload(tag="Work")
    before = await changed(client, shown, title=TITLE)
    problem(await client.patch(f"/api/audio/{shown['id']}", json=body | {"tag": "Home"}), status=status, slug=slug)
    assert (await client.get(f"/api/audio/{shown['id']}")).json() == before


async def test_nobody_elses_recording_is_called_otherwise(serve: Serve, make_token: MakeToken, run_sql: RunSql) -> None:
    """Another user's recording is missing, and keeps its title when they try to change or delete it."""
    ada, eve = [{"Authorization": f"Bearer {(await make_token(user))[1]}"} for user in ("ada", "eve")]
    async with serve(auth="tokens") as client:
        files = {"file": ("memo.wav", recording("wav"))}
        path = f"/api/audio/{(await client.post('/api/audio/upload', files=files, headers=ada)).json()['id']}"
        assert (await client.patch(path, json={"title": TITLE}, headers=ada)).status_code == 200
        for method in ("PATCH", "DELETE"):
            answer = await client.request(method, path, json={"title": "Mine"}, headers=eve)
            problem(answer, status=404, slug="recording-missing")
    assert [row["title"] for row in await run_sql("SELECT title FROM pegasus_system.titles")] == [TITLE]
