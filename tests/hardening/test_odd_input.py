"""No request alone makes the server fail: whatever stands in its path, query, headers, cookies or body, it is 4xx."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.hardening.odd_requests import PLACES, SMALL, Operation, operations

AT_ONCE = 8
ANSWER_SECONDS = 30
TUS = {"Tus-Resumable": "1.0.0"}


async def status_of(server: str, sent: bytes) -> int:
    """The status of the answer; 0 where the connection is ended without one."""
    parts = urlsplit(server)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(sent)
        line = await asyncio.wait_for(reader.readline(), ANSWER_SECONDS)
        return int(line.split()[1]) if line else 0
    except ConnectionError:
        return 0
    finally:
        writer.transport.abort()


async def described(server: str) -> list[Operation]:
    """Every operation of the server, about a recording and an upload that are there."""
    async with httpx.AsyncClient(base_url=server) as client:
        kept = await client.post("/api/audio/upload", files={"file": ("memo.amr", SMALL)})
        begun = await client.post("/api/uploads", headers=TUS | {"Upload-Length": "100"})
        ids = {"recording_id": kept.json()["id"], "upload_id": begun.headers["location"].rpartition("/")[2]}
        return operations((await client.get("/openapi.json")).json(), **ids)


@pytest.mark.parametrize("way", ["ordinary"], indirect=True)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.timeout(600)
async def test_no_request_alone_makes_the_server_fail(
    server: str, place: Callable[[list[Operation]], Iterator[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is sent, the answer says what is wrong with it, and nothing unforeseen gets into the log."""
    waiting, statuses = place(await described(server)), Counter[int]()
    failed = list[tuple[int, bytes]]()

    async def ask() -> None:
        for sent in waiting:
            status = await status_of(server, sent)
            statuses[status] += 1
            if status >= 500:
                failed.append((status, sent[:300]))

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    assert failed == []
    assert statuses.total() > 100
    assert statuses[0] == 0
    assert "Traceback" not in capsys.readouterr().out
