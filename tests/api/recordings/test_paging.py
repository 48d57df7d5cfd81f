"""Pages behind a cursor: nothing twice, nothing left out, in every order, whatever comes and goes meanwhile."""

import base64
import itertools
import json
from typing import Any

import httpx
import pytest

from tests.api.conftest import Started, problem
from tests.conftest import RunSql

FILL = """
INSERT INTO audio_files (id, filename, original_filename, file_path, file_size_bytes, duration_seconds, user_id, tag,
  upload_timestamp, processing_status)
SELECT gen_random_uuid(), 'a' || n, nullif((ARRAY['Ü', 'b', 'B"c', ''])[1 + n % 4], ''), 'a' || n,
  nullif(n % 6, 5), nullif(n % 5, 4) / 3.0, 'user ' || n % 2, nullif('tag ' || n % 3, 'tag 2'),
  CASE WHEN n % 7 > 0 THEN timestamp '2026-01-01 10:00:00.123456' + n / 4 * interval '1 hour' END,
  (CASE n % 3 WHEN 0 THEN 'failed' ELSE 'completed' END)::processingstatus
FROM generate_series(1, 50) AS n
"""
ORDERS = list(itertools.product(["uploaded", "name", "duration", "size"], ["asc", "desc"]))
FILTERS: list[dict[str, str]] = [{"tag": "tag 1"}, {"status": "completed", "user_id": "user 1"}, {"q": "b"}]
LISTS = [*((order, {}) for order in ORDERS), *zip(ORDERS, itertools.cycle(FILTERS), strict=False)]


async def page(client: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    """A page of a list."""
    answer = await client.get("/api/audio/", params=asked)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def walked(client: httpx.AsyncClient, **asked: Any) -> list[str]:
    """The ids of all recordings, a page after the other."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        body = await page(client, **asked, **cursor)
        found += [item["id"] for item in body["items"]]
        if body["next_cursor"] is None:
            return found
        assert len(body["items"]) == asked["limit"]
        cursor = {"cursor": body["next_cursor"]}


@pytest.fixture(params=["all gathered", "walked in part", "walked"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way in which the table is read: a list is the same on each."""
    monkeypatch.setattr("audio.library.pagination.GATHERED_ROWS", 1000 if request.param == "all gathered" else 0)
    monkeypatch.setattr("audio.library.pagination.WALKED_ROWS", 6 if request.param == "walked in part" else 1000)
    return str(request.param)


async def test_cursors_lead_through_the_whole_list(
    client: httpx.AsyncClient, app: Started, run_sql: RunSql, way: str
) -> None:
    """In every order and with every filter the pages are those of the list as a whole, by cursor as by offset."""
    await run_sql(FILL)
    await app.state["services"].recordings.index.sweep()
    for (by, order), filters in LISTS:
        asked: dict[str, Any] = {"sort": by, "order": order} | filters
        whole = await page(client, **asked, limit=1000)
        ids = [item["id"] for item in whole["items"]]
        assert (whole["total"], whole["total_is_exact"], whole["next_cursor"]) == (len(ids), True, None)
        assert len(set(ids)) == len(ids)
        assert await walked(client, **asked, limit=11) == ids, asked
        by_offset = [await page(client, **asked, limit=20, offset=at) for at in range(0, len(ids), 20)]
        assert [item["id"] for body in by_offset for item in body["items"]] == ids, asked
        assert {body["total"] for body in by_offset} == {len(ids)}
        assert [item["id"] for item in (await page(client, **asked, limit=9, offset=len(ids) - 1))["items"]] == ids[-1:]


async def test_changes_meanwhile_shift_nothing(client: httpx.AsyncClient, run_sql: RunSql) -> None:
    """Recordings that come or go before the cursor's place leave the next page as it is, even its own last one."""
    await run_sql(FILL)
    whole = [item["id"] for item in (await page(client, limit=1000))["items"]]
    first = await page(client, limit=5)
    await run_sql("DELETE FROM audio_files WHERE id = ANY($1::text[]::uuid[])", whole[2:5])
    await run_sql(
        "INSERT INTO audio_files (id, filename, file_path, upload_timestamp, processing_status)"
        " VALUES (gen_random_uuid(), 'new', 'new', '2027-01-01', 'uploaded')"
    )
    second = await page(client, limit=5, cursor=first["next_cursor"])
    assert [item["id"] for item in second["items"]] == whole[5:10]
    skipping = await page(client, limit=5, cursor=first["next_cursor"], offset=5)
    assert [item["id"] for item in skipping["items"]] == whole[10:15]


def made(*told: object) -> str:
    """A cursor that says something."""
    return base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode().rstrip("=")


ID = "0" * 32


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "é",
        "=",
        made(),
        made("uploaded", True, "yesterday", ID),
        made("uploaded", True, "2026-01-01T00:00:00+00:00", ID),
        made("uploaded", True, 5, ID),
        made("uploaded", True, "2026-01-01T00:00:00", "x"),
        made("uploaded", True, "2026-01-01T00:00:00", 7),
        made("uploaded", False, "2026-01-01T00:00:00", ID),
        made("name", True, "b", ID),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
    ],
)
async def test_what_is_no_cursor_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    """A cursor that this list hasn't given out, or another order's, is refused."""
    answer = await client.get("/api/audio/", params={"cursor": cursor})
    problem(answer, status=400, slug="cursor-refused")


@pytest.mark.parametrize(
    ("by", "value"),
    [("name", "a\0"), ("name", "\ud800"), ("size", 2**63), ("size", True), ("duration", "1"), ("duration", 1)],
)
async def test_what_the_table_can_not_hold_is_refused(client: httpx.AsyncClient, by: str, value: object) -> None:
    """What a column can't be compared with never reaches the database."""
    answer = await client.get("/api/audio/", params={"sort": by, "cursor": made(by, True, value, ID)})
    problem(answer, status=400, slug="cursor-refused")
