"""Many recordings changed by one request: by their ids or by a filter, with their manifests, events and bytes."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from core.settings import Settings
from tests.api.conftest import Look, MakeToken, Serve, Upload, problem
from tests.api.recordings.test_titles import manifest
from tests.audio.samples import recording
from tests.conftest import RunSql

Bulk = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


@pytest.fixture
def bulk(client: httpx.AsyncClient) -> Bulk:
    """A function that changes many recordings, and returns what became of them."""

    async def post(action: str, **body: object) -> dict[str, Any]:
        answer = await client.post("/api/audio/bulk", json={"action": action, **body})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return post


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two recordings, and no more than two batches a request."""
    monkeypatch.setattr("audio.library.bulk.BATCH_ROWS", 2)
    monkeypatch.setattr("audio.library.bulk.LARGEST", 4)


async def uploaded(upload: Upload, *, times: int, **labels: str) -> list[str]:
    """The ids of recordings that have just come in."""
    return [(await upload(**labels))["id"] for _ in range(times)]


async def listed(client: httpx.AsyncClient, **filters: str) -> set[str]:
    """The ids of a list."""
    return {item["id"] for item in (await client.get("/api/audio/", params=filters)).json()["items"]}


async def changes(client: httpx.AsyncClient, run_sql: RunSql) -> list[tuple[str, str | None]]:
    """The changes that were announced, each with the tag that the recording had then."""
    await client.get("/api/audio/", params={"q": "numbers what was announced"})
    rows = await run_sql("SELECT change, told FROM pegasus_system.events ORDER BY number")
    return [(row["change"], json.loads(row["told"])["tag"]) for row in rows]


async def test_labels_of_many_are_set(
    client: httpx.AsyncClient, upload: Upload, bulk: Bulk, settings: Settings, run_sql: RunSql
) -> None:
    """Each gets the label, in its manifest too; what isn't named stays, and what was so already is left alone."""
    first, second = await upload(tag="Work", category="Meeting"), await upload(tag="Home", category="Meeting")
    unknown = str(uuid4())
    body: dict[str, Any] = {"ids": [first["id"], second["id"], unknown, first["id"]], "changes": {"tag": "Home"}}
    outcome = await bulk("change", **body)
    assert outcome == {
        "changed": [first["id"]],
        "unchanged": [second["id"]],
        "missing": [unknown],
        "refused": [],
        "next_cursor": None,
    }
    for shown in (first, second):
        assert (manifest(settings, shown)["tag"], manifest(settings, shown)["category"]) == ("Home", "Meeting")
    assert await listed(client, tag="Home", category="Meeting") == {first["id"], second["id"]}
    assert await changes(client, run_sql) == [("created", "Work"), ("created", "Home"), ("relabelled", "Home")]
    assert (await bulk("change", **body))["changed"] == []
    await bulk("change", ids=[first["id"]], changes={"tag": None, "category": "Idea"})
    assert (manifest(settings, first)["tag"], manifest(settings, first)["category"]) == (None, "Idea")


@pytest.mark.usefixtures("small_batches")
async def test_a_filter_is_gone_through_request_by_request(
    client: httpx.AsyncClient, upload: Upload, bulk: Bulk
) -> None:
    """A filter that selects more than a request changes goes on from a cursor, and each recording comes once."""
    work, home = await uploaded(upload, times=9, tag="Work"), await uploaded(upload, times=1, tag="Home")
    cursor, changed = None, []
    for count in (4, 4, 1):
        outcome = await bulk("change", filter={"tag": "Work"}, changes={"category": "Meeting"}, cursor=cursor)
        assert len(outcome["changed"]) == count
        changed += outcome["changed"]
        cursor = outcome["next_cursor"]
    assert cursor is None
    assert changed == work[::-1]
    assert await listed(client, category="Meeting") == set(work)
    assert (await bulk("delete", filter={"q": "mem", "tag": "Home"}))["changed"] == home


@pytest.mark.usefixtures("small_batches")
async def test_many_are_deleted(
    client: httpx.AsyncClient, upload: Upload, bulk: Bulk, kept: Look, run_sql: RunSql
) -> None:
    """Rows, titles and all bytes go, and are announced; what is deleted already is missing."""
    doomed, spared = await uploaded(upload, times=3, tag="Work"), await upload(tag="Home")
    await client.patch(f"/api/audio/{doomed[0]}", json={"title": "Gone soon"})
    outcome = await bulk("delete", filter={"tag": "Work"})
    assert (set(outcome["changed"]), outcome["next_cursor"]) == (set(doomed), None)
    everything = await kept()
    assert [str(row["id"]) for row in everything.rows] == [spared["id"]]
    assert len(everything.files) == 2
    assert not await run_sql("SELECT FROM pegasus_system.titles")
    assert [change for change, _ in await changes(client, run_sql)].count("deleted") == 3
    assert (await bulk("delete", ids=doomed))["missing"] == doomed


async def test_many_are_processed_again(client: httpx.AsyncClient, upload: Upload, bulk: Bulk, run_sql: RunSql) -> None:
    """Those that failed are waiting again; one that can't be processed again says why, and keeps nobody back."""
    failed, waiting = await uploaded(upload, times=2), await upload()
    await run_sql("UPDATE audio_files SET processing_status = 'failed' WHERE id = ANY($1::uuid[])", failed)
    await run_sql("DELETE FROM pgqueuer.pgqueuer WHERE dedupe_key = ANY($1::text[])", failed)
    outcome = await bulk("retry", ids=[waiting["id"], *failed])
    assert outcome["changed"] == failed
    [refused] = outcome["refused"]
    assert (refused["id"], refused["problem"]["status"]) == (waiting["id"], 409)
    assert refused["problem"]["type"] == "urn:pegasus:problem:retry-refused"
    assert await listed(client, status="uploaded") == {waiting["id"], *failed}
    assert await bulk("retry", filter={"status": "failed"}) == {
        "changed": [], "unchanged": [], "missing": [], "refused": [], "next_cursor": None,
    }  # fmt: skip


async def test_what_was_changed_meanwhile_is_left_alone(
    client: httpx.AsyncClient, upload: Upload, bulk: Bulk, database: str
) -> None:
    """A recording that somebody takes out of a filter's reach is not deleted, even at the last moment."""
    [spared, doomed] = await uploaded(upload, times=2, tag="Trash")
    connection = await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("UPDATE audio_files SET tag = 'Keep' WHERE id = $1", spared)
    deleting = asyncio.create_task(bulk("delete", filter={"tag": "Trash"}))
    while not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
        await asyncio.sleep(0.01)
    await transaction.commit()
    await connection.close()
    outcome = await deleting
    assert (outcome["changed"], outcome["missing"]) == ([doomed], [spared])
    assert await listed(client) == {spared}


@pytest.mark.usefixtures("small_batches")
async def test_many_who_change_the_same_at_once_all_succeed(
    client: httpx.AsyncClient, upload: Upload, settings: Settings
) -> None:
    """Requests about the same recordings, in any order, wait for each other, and manifests say what the rows say."""
    shown = [await upload() for _ in range(4)]
    ids = [one["id"] for one in shown]
    bodies = [
        {"action": "change", "ids": some, "changes": {"tag": f"{number}", "category": f"{number}"}}
        for number, some in enumerate([ids, ids[::-1]] * 4)
    ]
    answers = await asyncio.gather(*(client.post("/api/audio/bulk", json=body) for body in bodies))
    assert [answer.status_code for answer in answers] == [200] * len(bodies)
    for one in (await client.get("/api/audio/")).json()["items"]:
        assert one["tag"] == one["category"]
        assert manifest(settings, one)["tag"] == manifest(settings, one)["category"] == one["tag"]


async def test_nobody_elses_recordings_are_changed(serve: Serve, make_token: MakeToken, run_sql: RunSql) -> None:
    """Other people's recordings are missing by their ids, and no filter reaches them, or one's own in their place."""
    ada, eve = [{"Authorization": f"Bearer {(await make_token(user))[1]}"} for user in ("ada", "eve")]
    async with serve(auth="tokens") as client:
        form: dict[str, Any] = {"files": {"file": ("memo.wav", recording("wav"))}, "data": {"tag": "Work"}}
        shown = (await client.post("/api/audio/upload", headers=ada, **form)).json()
        eves_own: dict[str, Any] = form | {"data": {"tag": "Own"}}
        await client.post("/api/audio/upload", headers=eve, **eves_own)
        for action in ("delete", "retry", "change"):
            body: dict[str, Any] = {"action": action} | ({"changes": {"tag": "Eve"}} if action == "change" else {})
            by_id = await client.post("/api/audio/bulk", json=body | {"ids": [shown["id"]]}, headers=eve)
            assert (by_id.json()["missing"], by_id.json()["changed"]) == ([shown["id"]], [])
            for filters in ({"tag": "Work"}, {"user_id": "ada"}):
                answer = await client.post("/api/audio/bulk", json=body | {"filter": filters}, headers=eve)
                assert set(map(str, answer.json().values())) == {"[]", "None"}
        renamed = {"label": "tag", "from": "Work", "to": "Eve"}
        assert (await client.post("/api/audio/labels/rename", json=renamed, headers=eve)).json() == {"changed": 0}
    assert {row["tag"] for row in await run_sql("SELECT tag FROM audio_files")} == {"Work", "Own"}


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"action": "delete"}, "request-invalid"),
        ({"action": "delete", "ids": []}, "request-invalid"),
        ({"action": "delete", "ids": [str(uuid4())] * 1001}, "request-invalid"),
        ({"action": "delete", "ids": [str(uuid4())], "filter": {"tag": "Work"}}, "request-invalid"),
        ({"action": "delete", "filter": {}}, "request-invalid"),
        ({"action": "delete", "filter": {"tag": None}}, "request-invalid"),
        ({"action": "delete", "filter": {"tag": " "}}, "request-invalid"),
        ({"action": "delete", "filter": {"tags": "Work"}}, "request-invalid"),
        ({"action": "delete", "filter": {"tag": "Work"}, "changes": {"tag": "Home"}}, "request-invalid"),
        ({"action": "delete", "ids": [str(uuid4())], "cursor": "x"}, "request-invalid"),
        ({"action": "change", "filter": {"tag": "Work"}}, "request-invalid"),
        ({"action": "change", "filter": {"tag": "Work"}, "changes": {}}, "request-invalid"),
        ({"action": "change", "filter": {"tag": "Work"}, "changes": {"title": "One for all"}}, "request-invalid"),
        ({"action": "change", "filter": {"tag": "Work"}, "changes": {"tag": "x" * 101}}, "label-too-long"),
        ({"action": "archive", "filter": {"tag": "Work"}}, "request-invalid"),
    ],
)
async def test_what_says_too_little_or_too_much_changes_nothing(
    client: httpx.AsyncClient, upload: Upload, kept: Look, body: dict[str, Any], slug: str
) -> None:
    """A change without recordings, of all by an oversight, or that contradicts itself is refused."""
    await upload(tag="Work")
    before = await kept()
    problem(await client.post("/api/audio/bulk", json=body), status=422, slug=slug)
    assert await kept() == before


async def test_a_cursor_of_another_order_is_refused(client: httpx.AsyncClient) -> None:
    """A cursor that no answer has given is refused."""
    body = {"action": "delete", "filter": {"tag": "Work"}, "cursor": "nonsense"}
    problem(await client.post("/api/audio/bulk", json=body), status=400, slug="cursor-refused")


@pytest.mark.usefixtures("small_batches")
async def test_a_label_is_renamed_and_merged(client: httpx.AsyncClient, upload: Upload, settings: Settings) -> None:
    """All recordings of a tag have the new one, in manifests too; renamed to one in use, two become one."""
    [first, *_] = await uploaded(upload, times=5, tag="Werk", category="Werk")
    await upload(tag="Work", category="Meeting")
    renamed = await client.post("/api/audio/labels/rename", json={"label": "tag", "from": "Werk", "to": "Work"})
    assert renamed.json() == {"changed": 5}
    assert (await client.get("/api/audio/tags")).json() == {"tags": ["Work"], "categories": ["Meeting", "Werk"]}
    assert manifest(settings, {"id": first})["tag"] == "Work"
    removed = await client.post("/api/audio/labels/rename", json={"label": "category", "from": "Werk", "to": None})
    assert removed.json() == {"changed": 5}
    assert (await client.get("/api/audio/tags")).json() == {"tags": ["Work"], "categories": ["Meeting"]}
    nothing = {"label": "title", "from": "Werk", "to": "Work"}
    problem(await client.post("/api/audio/labels/rename", json=nothing), status=422, slug="request-invalid")
