"""Resumable uploads across server processes: side by side, and one after another that was killed."""

import asyncio
import json
import random
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.settings import Settings, load_settings
from tests.api.conftest import Look
from tests.api.test_main import forked
from tests.api.uploads.test_serving import wire
from tests.api.uploads.test_tus_breaks import (
    BYTES,
    LONG,
    MIB,
    begin,
    is_whole,
    large,
    offset_of,
    patch_head,
    speaking,
    until_there,
)
from tests.stored import storage_environment


@pytest.fixture
def settings(database: str, tmp_path: Path, storage_settings: dict[str, Any]) -> Settings:
    """The settings of the servers that these tests start."""
    return load_settings(database_url=database, data_path=tmp_path, **storage_settings)


async def go_on(client: httpx.AsyncClient, where: str, content: bytes, *, piece_bytes: int) -> httpx.Response:
    """Sends the next piece of an upload, from where the server says that it goes on."""
    offset = await offset_of(client, where)
    headers = BYTES | {"Upload-Offset": str(offset)}
    return await client.patch(where, content=content[offset : offset + piece_bytes], headers=headers)


@pytest.mark.folder  # where bytes are seen as soon as they are written
async def test_two_servers_take_over_from_each_other(
    tmp_path: Path, database: str, settings: Settings, kept: Look
) -> None:
    """An upload whose request stalls in one process goes on in another, which never writes beside the first."""
    content = large(12 * MIB)
    apart = {"DATABASE_URL": database, "PROCESSING": "off"}
    with forked(tmp_path, **apart) as one, forked(tmp_path, **apart) as two:
        urls = [one.url(), two.url()]
        async with speaking(urls[0]) as first, speaking(urls[1]) as second, wire(urls[0]) as a, wire(urls[1]) as b:
            where = await begin(first, len(content))
            await a.send(patch_head(where, 0, len(content)), content[: 3 * MIB])
            await until_there(settings, 3 * MIB)
            assert await offset_of(second, where) == 3 * MIB
            assert (await a.answer())[0] == 400
            await b.send(patch_head(where, 3 * MIB, len(content) - 3 * MIB), content[3 * MIB : 5 * MIB])
            await until_there(settings, 5 * MIB)
            headers = BYTES | {"Upload-Offset": str(5 * MIB)}
            answer = await first.patch(where, content=content[5 * MIB : 9 * MIB], headers=headers)
            assert answer.status_code == 204
            status, _, body = await b.answer()
            assert (status, json.loads(body)["type"]) == (400, "urn:pegasus:problem:upload-taken-over")
            answer = await go_on(second, where, content, piece_bytes=len(content))
            assert answer.status_code == 204
            state = await first.head(where)
            assert state.headers["upload-recording-id"] == answer.headers["upload-recording-id"]
    await is_whole(kept, settings, content)


async def test_any_worker_takes_the_next_piece(tmp_path: Path, database: str, settings: Settings, kept: Look) -> None:
    """With several server processes each piece may come to another one, and some clients stall on the way."""
    content = large(10 * MIB)
    with forked(tmp_path, DATABASE_URL=database, WORKERS="2", PROCESSING="off", **storage_environment(settings)) as run:
        try:
            answer = await in_pieces_with_stalls(run.url(), content)
        finally:
            run.end(signal.SIGTERM)  # which ends the workers too
    [row] = (await kept()).rows
    assert answer.headers["upload-recording-id"] == str(row["id"])
    await is_whole(kept, settings, content)


async def in_pieces_with_stalls(url: str, content: bytes) -> httpx.Response:
    """Uploads ten pieces on a connection each, every time after another request that stalls; the last answer."""
    async with speaking(url) as client:
        where = await begin(client, len(content))
    for number in range(10):
        async with speaking(url) as client, wire(url) as stalled:
            offset = await offset_of(client, where)
            await stalled.send(patch_head(where, offset, len(content) - offset), content[offset : offset + 5000])
            await asyncio.sleep(0.05)
            piece_bytes = len(content) if number == 9 else MIB
            answer = await go_on(client, where, content, piece_bytes=piece_bytes)
            if answer.status_code == 409:  # the other request came late, and took over
                answer = await go_on(client, where, content, piece_bytes=piece_bytes)
            assert answer.status_code == 204, answer.text
    return answer


@pytest.mark.parametrize("rounds", [4, pytest.param(30, marks=LONG)])
async def test_a_killed_server_loses_nothing(
    tmp_path: Path, database: str, settings: Settings, kept: Look, rounds: int
) -> None:
    """However often the server is killed, an offset that was told holds, and the upload becomes one whole recording."""
    content, chance = large(40 * MIB), random.Random(rounds)
    where, told = "", 0

    async def upload(url: str) -> None:
        nonlocal told
        async with speaking(url) as client:
            while True:
                answer = await go_on(client, where, content, piece_bytes=MIB // 2)
                assert answer.status_code == 204, answer.text
                told = int(answer.headers["upload-offset"])
                if told == len(content):
                    return

    for number in range(rounds + 1):
        with forked(tmp_path, DATABASE_URL=database, PROCESSING="off", **storage_environment(settings)) as run:
            url = run.url()
            async with speaking(url) as client:
                where = where or await begin(client, len(content))
                assert await offset_of(client, where) >= told
            uploading = asyncio.create_task(upload(url))
            if number < rounds:
                await asyncio.wait([uploading], timeout=chance.random())
                run.end(signal.SIGKILL)
            await asyncio.wait([uploading])
            assert not uploading.exception() or isinstance(uploading.exception(), httpx.HTTPError)
    await is_whole(kept, settings, content)
