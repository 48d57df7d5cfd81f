"""Numbers that a client sends, of any length: what can't be is refused or ignored, and never a fault of the server."""

import httpx
import pytest

from tests.api.conftest import Upload
from tests.audio.samples import recording

NINES = "9" * 5000
ZEROS = "0" * 5000
SIZE = len(recording("wav"))


@pytest.mark.parametrize(
    ("asked", "status", "content_range"),
    [
        (f"bytes=0-{NINES}", 206, f"bytes 0-{SIZE - 1}/{SIZE}"),
        (f"bytes=-{NINES}", 206, f"bytes 0-{SIZE - 1}/{SIZE}"),
        (f"bytes={ZEROS}1-{ZEROS}2", 206, f"bytes 1-2/{SIZE}"),
        (f"bytes={NINES}-", 416, f"bytes */{SIZE}"),
        (f"bytes={NINES}-{NINES}", 416, f"bytes */{SIZE}"),
        (f"bytes={NINES}-1", 200, None),
        (f"bytes=-{ZEROS}", 416, f"bytes */{SIZE}"),
    ],
)
async def test_a_range_of_thousands_of_digits(
    client: httpx.AsyncClient, upload: Upload, asked: str, status: int, content_range: str | None
) -> None:
    """A position with more digits than any file has bytes lies behind the end, like any other that does."""
    recorded = await upload()
    answer = await client.get(f"/api/audio/{recorded['id']}/download", headers={"Range": asked})
    assert (answer.status_code, answer.headers.get("content-range")) == (status, content_range)


@pytest.mark.parametrize("number", [NINES, f"-{NINES}", ZEROS, f"{NINES}.{NINES}", f"1e{NINES}", "one"])
async def test_no_number_is_a_fault_of_the_server(client: httpx.AsyncClient, upload: Upload, number: str) -> None:
    """Wherever a number is read, one with thousands of digits is refused or ignored."""
    path = f"/api/audio/{(await upload())['id']}"
    tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    answers = [
        await client.get("/api/audio/", params={"limit": number}),
        await client.get("/api/audio/", params={"offset": number}),
        await client.get("/api/audio/", params={"cursor": number}),
        await client.get(f"{path}/download", headers={"If-Range": number, "Range": "bytes=1-2"}),
        await client.get(f"{path}/transcript", params={"format": number}),
        await client.post("/api/uploads", headers=tus | {"Upload-Length": number}),
        await client.patch(
            "/api/uploads/7f6b5b0e-6a0e-4c0e-9f0e-0d6b8a6b1f11", headers=tus | {"Upload-Offset": number}
        ),
        await client.get("/metrics", headers={"Accept": f"text/plain;q={number};version={number}"}),
        await client.put(f"{path}/tags", content=f'{{"tag": {number}}}', headers={"Content-Type": "application/json"}),
        await client.post("/api/session", content=number, headers={"Content-Type": "application/json"}),
        await client.get(f"/api/audio/{number}"),
    ]
    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
