"""Recordings listed, shown, labelled, transcribed and deleted, those from before the manifests included."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from core.settings import Settings
from tests.api.conftest import Look, Upload, problem
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.stored import Stored

OldRow = Callable[..., Awaitable[str]]


@pytest.fixture
def old_row(run_sql: RunSql) -> OldRow:
    """A function that enters a recording as old deployments did: no manifest, most columns empty."""

    async def enter(file_path: str, **columns: object) -> str:
        row = {"id": uuid4(), "filename": "old.wav", "processing_status": "uploaded", **columns, "file_path": file_path}
        places = ", ".join(f"${at}" for at in range(1, len(row) + 1))
        await run_sql(f"INSERT INTO audio_files ({', '.join(row)}) VALUES ({places})", *row.values())
        return str(row["id"])

    return enter


async def listed(client: httpx.AsyncClient, **wanted: object) -> list[str | None]:
    """The names of the recordings in a list."""
    answer = await client.get("/api/audio/", params={name: str(value) for name, value in wanted.items()})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["total"] >= len(page["items"])
    return [item["original_filename"] for item in page["items"]]


async def test_lists_are_filtered(client: httpx.AsyncClient, upload: Upload, run_sql: RunSql) -> None:
    """A list holds what was asked for by tag, category, user, status and words, the newest first."""
    await upload(file_name="a.wav", tag="Work", category="Meeting", user_id="ada")
    await upload(file_name="b.wav", tag="Work", user_id="ben")
    await upload(file_name="c.wav", tag="Home", category="Meeting", user_id="ada")
    await run_sql("UPDATE audio_files SET processing_status = 'failed' WHERE tag = 'Home'")
    assert await listed(client) == ["c.wav", "b.wav", "a.wav"]
    assert await listed(client, tag="Work") == ["b.wav", "a.wav"]
    assert await listed(client, category="Meeting", user_id="ada") == ["c.wav", "a.wav"]
    assert await listed(client, status="failed") == ["c.wav"]
    assert await listed(client, q="HOM") == ["c.wav"]
    assert await listed(client, q="%") == []
    assert await listed(client, tag="None") == []


async def test_lists_come_in_pages(client: httpx.AsyncClient, upload: Upload) -> None:
    """Limit and offset cut a page out of the whole, with and without the last slash."""
    for at in range(5):
        await upload(file_name=f"{at}.wav")
    for url in ("/api/audio", "/api/audio/"):
        answer = await client.get(url, params={"limit": 2, "offset": 1}, follow_redirects=False)
        page = answer.json()
        assert [item["original_filename"] for item in page["items"]] == ["3.wav", "2.wav"]
        assert (page["total"], page["limit"], page["offset"]) == (5, 2, 1)
    assert (await client.get("/api/audio")).json()["limit"] == 20


async def test_lists_are_sorted(client: httpx.AsyncClient, upload: Upload, run_sql: RunSql) -> None:
    """A list comes in any order that is asked for, what lacks the column last, and every page in the same order."""
    for name, seconds in (("b.wav", 3.5), ("A.wav", None), ("c.wav", 12)):
        await upload(file_name=name)
        await run_sql("UPDATE audio_files SET duration_seconds = $1 WHERE original_filename = $2", seconds, name)
    await run_sql("UPDATE audio_files SET file_size_bytes = 1 WHERE original_filename = 'A.wav'")
    assert await listed(client, sort="uploaded", order="asc") == ["b.wav", "A.wav", "c.wav"]
    assert await listed(client, sort="name", order="asc") == ["A.wav", "b.wav", "c.wav"]
    assert await listed(client, sort="name") == ["c.wav", "b.wav", "A.wav"]
    assert await listed(client, sort="duration") == ["c.wav", "b.wav", "A.wav"]
    assert await listed(client, sort="duration", order="asc") == ["b.wav", "c.wav", "A.wav"]
    assert (await listed(client, sort="size", order="asc"))[0] == "A.wav"
    whole = await listed(client, sort="size")
    assert [(await listed(client, sort="size", limit=1, offset=at))[0] for at in range(3)] == whole


async def test_lists_may_leave_transcripts_out(client: httpx.AsyncClient, upload: Upload, run_sql: RunSql) -> None:
    """With `transcripts=false` an item has none, and a search still finds by it and shows where."""
    await upload()
    await run_sql("UPDATE audio_files SET original_transcript = 'Good morning, everyone'")
    for query in ({}, {"q": "wav"}):
        [whole] = (await client.get("/api/audio/", params=query)).json()["items"]
        [short] = (await client.get("/api/audio/", params=query | {"transcripts": "false"})).json()["items"]
        assert whole["original_transcript"] == "Good morning, everyone"
        assert short == whole | {"original_transcript": None}


@pytest.mark.parametrize(
    "query",
    [
        "sort=x",
        "order=x",
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=1000000",
        "offset=-1",
        "offset=99999999999999",
        "status=lost",
    ],
)
async def test_impossible_pages_are_refused(client: httpx.AsyncClient, query: str) -> None:
    """What no page can be is refused with the name of what was wrong."""
    told = problem(await client.get(f"/api/audio/?{query}"), status=422, slug="request-invalid")
    assert told["errors"][0]["at"] == "query." + query.partition("=")[0]


@pytest.mark.parametrize("field", ["tag", "category", "user_id", "q"])
async def test_impossible_filters_are_refused(client: httpx.AsyncClient, field: str) -> None:
    """A filter that nothing could match is refused, not handed to the database."""
    for url in ("/api/audio/", "/api/audio/tags"):
        if url == "/api/audio/" or field == "user_id":
            problem(await client.get(f"{url}?{field}=%00"), status=422, slug="label-unprintable")
            problem(await client.get(f"{url}?{field}={'a' * 300}"), status=422, slug="label-too-long")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/audio/?tagg=Work", "query.tagg: There is no such parameter; did you mean tag?"),
        ("/api/audio?limit=1&page=2", "query.page: There is no such parameter; there are category, "),
        ("/api/audio/tags?user=ada", "query.user: There is no such parameter; did you mean user_id?"),
        ("/api/audio/events?user=ada", "query.user: There is no such parameter; did you mean user_id?"),
        ("/api/audio/?tag=caf%E9", "query.tag: It isn't UTF-8."),
        ("/api/audio/{id}?x=1", "query.x: There is no such parameter."),
        ("/api/audio/{id}/download?varient=playback", "did you mean variant?"),
        ("/api/audio/{id}/transcript?format=srt&%C3%BC%00=1", r"query.\xfc\x00: There is no such parameter"),
    ],
)
async def test_a_parameter_that_is_not_there_is_told(
    client: httpx.AsyncClient, upload: Upload, path: str, sentence: str
) -> None:
    """A misspelt filter is refused, with the name that was meant, and doesn't list everything."""
    answer = await client.get(path.format(id=(await upload())["id"]))
    assert sentence in problem(answer, status=422, slug="request-invalid")["detail"]


async def test_a_wrong_method_is_told(client: httpx.AsyncClient) -> None:
    """What a path has instead of the method that was asked for stands in the answer, for people and for programs."""
    answer = await client.put("/api/audio/upload")
    body = problem(answer, status=405, slug="method-not-allowed")
    assert body["detail"] == f"This path has no PUT; it has {answer.headers['allow']}."
    assert "POST" in answer.headers["allow"]


async def test_labels_in_use_are_listed_once(client: httpx.AsyncClient, upload: Upload) -> None:
    """Every tag and category appears once, in order; for one user only those in use there."""
    await upload(tag="Work", category="Meeting", user_id="ada")
    await upload(tag="Work", user_id="ben")
    await upload(tag="Home", user_id="ada")
    await upload()
    assert (await client.get("/api/audio/tags")).json() == {"tags": ["Home", "Work"], "categories": ["Meeting"]}
    mine = await client.get("/api/audio/tags", params={"user_id": "ben"})
    assert mine.json() == {"tags": ["Work"], "categories": []}


async def test_a_recording_is_shown(client: httpx.AsyncClient, upload: Upload) -> None:
    """A recording is shown as its upload told it."""
    told = await upload(tag="Work")
    shown = (await client.get(f"/api/audio/{told['id']}")).json()
    assert shown == {name: value for name, value in told.items() if name not in {"message", "duplicate_of"}}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/download"),
        ("HEAD", "/download"),
        ("GET", "/transcript"),
        ("PUT", "/tags"),
    ],
)
async def test_what_is_not_there_is_missing(client: httpx.AsyncClient, method: str, path: str) -> None:
    """An unknown id is missing on every route, and what is no id is refused."""
    body = {"tag": "x"} if method == "PUT" else None
    answer = await client.request(method, f"/api/audio/{uuid4()}{path}", json=body)
    assert answer.status_code == 404
    if method != "HEAD":
        problem(answer, status=404, slug="recording-missing")
    assert (await client.request(method, f"/api/audio/no-id{path}", json=body)).status_code == 404


async def test_labels_change_with_the_manifest(
    client: httpx.AsyncClient, upload: Upload, kept: Look, settings: Settings
) -> None:
    """New labels are in the answer, the row and the manifest; the recording's time of change moves on."""
    told = await upload(tag="Work", category="Meeting")
    answer = await client.put(f"/api/audio/{told['id']}/tags", json={"tag": " Cafe\u0301 ", "category": None})
    [row] = (await kept()).rows
    manifest = json.loads(Stored(settings).read(row["file_path"] + ".json"))
    for seen in (answer.json(), row, manifest):
        assert (seen["tag"], seen["category"]) == ("Café", None)
    assert answer.json()["updated_at"] > told["updated_at"]
    assert manifest["sha256"]


async def test_what_is_not_named_stays(client: httpx.AsyncClient, upload: Upload) -> None:
    """A label that the change doesn't name stays as it is."""
    told = await upload(tag="Work", category="Meeting")
    answer = await client.put(f"/api/audio/{told['id']}/tags", json={"category": "Call"})
    assert (answer.json()["tag"], answer.json()["category"]) == ("Work", "Call")


async def test_changes_at_once_end_alike_everywhere(
    client: httpx.AsyncClient, upload: Upload, kept: Look, settings: Settings
) -> None:
    """Of many changes at once the last one stands, in the row and in the manifest."""
    url = f"/api/audio/{(await upload())['id']}/tags"
    answers = await asyncio.gather(*(client.put(url, json={"tag": f"tag {at}"}) for at in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    [row] = (await kept()).rows
    manifest = json.loads(Stored(settings).read(row["file_path"] + ".json"))
    assert manifest["tag"] == row["tag"]


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b'{"tag": "' + b"a" * 101 + b'"}', 422, "label-too-long"),
        (b'{"tag": "a\\u0007"}', 422, "label-unprintable"),
        (b'{"tag": "\\ud800"}', 422, "label-unprintable"),
        (b'{"tag": 1}', 422, "request-invalid"),
        (b'{"tags": "x"}', 422, "request-invalid"),
        (b"[]", 422, "request-invalid"),
        (b"", 422, "request-invalid"),
        (b"{", 400, "json-malformed"),
        (b'{"tag": "' + b"a" * 70_000 + b'"}', 413, "body-too-large"),
    ],
)
async def test_bad_labels_change_nothing(
    client: httpx.AsyncClient, upload: Upload, kept: Look, body: bytes, status: int, slug: str
) -> None:
    """A change that can't be kept is refused, and the labels stay."""
    told = await upload(tag="Work")
    headers = {"Content-Type": "application/json"}
    answer = await client.put(f"/api/audio/{told['id']}/tags", content=body, headers=headers)
    problem(answer, status=status, slug=slug)
    assert (await kept()).rows[0]["tag"] == "Work"


@pytest.mark.parametrize("sent_as", ["application/x-www-form-urlencoded", "text/plain", None])
async def test_json_is_sent_as_json(client: httpx.AsyncClient, upload: Upload, sent_as: str | None) -> None:
    """JSON that comes as something else, as `curl -d` sends it, is refused with what it has to come as."""
    headers = {} if sent_as is None else {"Content-Type": sent_as}
    answer = await client.put(f"/api/audio/{(await upload())['id']}/tags", content=b'{"tag": "x"}', headers=headers)
    assert "application/json" in problem(answer, status=415, slug="not-json")["detail"]


async def test_a_body_without_a_length_is_limited_too(client: httpx.AsyncClient, upload: Upload) -> None:
    """A client that doesn't say how much it sends is stopped where the others are."""

    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 65536

    told = await upload()
    headers = {"Content-Type": "application/json"}
    answer = await client.put(f"/api/audio/{told['id']}/tags", content=endless(), headers=headers)
    problem(answer, status=413, slug="body-too-large")


async def test_a_deleted_recording_is_gone(client: httpx.AsyncClient, upload: Upload, kept: Look) -> None:
    """Deleting takes the row, the bytes and the manifest, and is done once."""
    told = await upload()
    answer = await client.delete(f"/api/audio/{told['id']}")
    assert (answer.status_code, list(answer.json())) == (200, ["message"])
    assert await kept() == type(await kept())([], set())
    problem(await client.delete(f"/api/audio/{told['id']}"), status=404, slug="recording-missing")


@pytest.mark.parametrize(
    ("columns", "improved", "expected"),
    [
        ({}, None, {"transcript": None, "is_improved": False, "status": "uploaded"}),
        (
            {"processing_status": "completed", "original_transcript": "hello", "transcription_engine": "whisper"},
            None,
            {"transcript": "hello", "is_improved": False, "transcription_engine": "whisper"},
        ),
        (
            {"original_transcript": "hello", "improved_transcript": "Hello."},
            None,
            {"transcript": "Hello.", "is_improved": True},
        ),
        (
            {"original_transcript": "hello", "improved_transcript": "Hello."},
            "false",
            {"transcript": "hello", "is_improved": False},
        ),
        (
            {"processing_status": "failed", "error_message": "no speech"},
            None,
            {"transcript": None, "error": "no speech", "status": "failed"},
        ),
    ],
)
async def test_a_transcript_is_shown(
    client: httpx.AsyncClient,
    old_row: OldRow,
    columns: dict[str, str],
    improved: str | None,
    expected: dict[str, object],
) -> None:
    """The improved transcript is shown where there is one and it is wanted, else the original, else why not."""
    recording_id = await old_row("old.wav", **columns)
    params = {"improved": improved} if improved else {}
    told = (await client.get(f"/api/audio/{recording_id}/transcript", params=params)).json()
    assert set(told) == {"status", "transcript", "is_improved", "transcription_engine", "message", "error"}
    assert expected.items() <= told.items()
    assert told["message"]


@pytest.mark.folder
@pytest.mark.parametrize("shape", ["2024/01/old.wav", "{root}/2024/01/old.wav", "./2024/01/old.wav"])
async def test_an_old_recording_lives_on(
    client: httpx.AsyncClient, old_row: OldRow, settings: Settings, shape: str, kept: Look
) -> None:
    """A recording from before the manifests is shown, labelled, downloaded and deleted like any other."""
    path = settings.storage_root / "2024" / "01" / "old.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(recording("wav"))
    recording_id = await old_row(shape.format(root=settings.storage_root))
    assert (await client.get(f"/api/audio/{recording_id}")).json()["upload_timestamp"] is None
    assert await listed(client) == [None]
    labelled = await client.put(f"/api/audio/{recording_id}/tags", json={"tag": "Old"})
    assert labelled.json()["tag"] == "Old"
    downloaded = await client.get(f"/api/audio/{recording_id}/download")
    assert downloaded.content == recording("wav")
    assert downloaded.headers["content-type"] == "application/octet-stream"
    assert (await client.delete(f"/api/audio/{recording_id}")).status_code == 200
    assert (await kept()).files == set()


@pytest.mark.folder
@pytest.mark.parametrize("shape", ["{root}/../secret", "../secret", "{root}/link", "/etc/passwd", "", ".staging/x"])
async def test_bytes_outside_the_storage_stay_there(
    client: httpx.AsyncClient, old_row: OldRow, settings: Settings, shape: str
) -> None:
    """A row that names a file outside of the storage gets nobody that file, and deleting the row leaves it."""
    secret = settings.storage_root.parent / "secret"
    secret.write_bytes(b"not a recording")
    (settings.storage_root / "link").symlink_to(secret)
    recording_id = await old_row(shape.format(root=settings.storage_root), mime_type="text/html")
    problem(await client.get(f"/api/audio/{recording_id}/download"), status=404, slug="bytes-missing")
    assert (await client.delete(f"/api/audio/{recording_id}")).status_code == 200
    assert secret.exists()
