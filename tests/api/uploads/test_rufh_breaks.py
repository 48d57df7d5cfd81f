"""Resumable uploads by the IETF's draft whose connections break, on a real server."""

import asyncio
import random
from typing import Any

import httpx
import pytest

from core.settings import Settings, load_settings
from tests.api.conftest import Look
from tests.api.uploads.test_rufh import FORM_URL, NEWEST, append, begin, path_of, request
from tests.api.uploads.test_serving import Wire, wire
from tests.api.uploads.test_tus_breaks import MIB, WAYS, break_off, is_whole, large


@pytest.fixture
def settings(database: str, tmp_path: Any, storage_settings: dict[str, Any]) -> Settings:
    """The settings of a server for large recordings."""
    return load_settings(
        database_url=database,
        data_path=tmp_path / "data",
        max_file_size_mb=100,
        port=0,
        processing="off",
        **storage_settings,
    )


async def create_broken(server: str, content: bytes, stop: int, way: str, connections: list[Wire]) -> str:
    """Sends the beginning of a whole upload, breaks off, and returns the address that was announced."""
    parts = httpx.URL(server)
    reader, writer = await asyncio.open_connection(parts.host, parts.port)
    connections.append(client := Wire(reader, writer))
    fields = {"Upload_Complete": "?1", "Upload_Draft_Interop_Version": "10", "Content_Type": "audio/wav"}
    await client.send(request("POST", FORM_URL, Content_Length=str(len(content)), **fields))
    status, headers, _ = await client.answer()
    assert status == 104
    await client.send(content[:stop])
    break_off(client, way)
    return path_of(headers["location"])


@pytest.mark.parametrize("seed", range(3))
async def test_broken_connections_lose_nothing(server: str, kept: Look, settings: Settings, seed: int) -> None:
    """An upload of a phone's kind, broken off a dozen times at random places, is whole; its offset never decreases."""
    content, chance = large(8 * MIB), random.Random(seed)
    places, connections = sorted(chance.sample(range(len(content)), 12)), list[Wire]()
    try:
        address = await create_broken(server, content, places[0], chance.choice(WAYS), connections)
        async with httpx.AsyncClient(base_url=server, headers=NEWEST, timeout=60) as client:
            before = 0
            for place in places[1:]:
                offset = int((await client.head(address)).headers["upload-offset"])
                assert before <= offset <= place
                before = offset
                parts = httpx.URL(server)
                connections.append(broken := Wire(*await asyncio.open_connection(parts.host, parts.port)))
                fields = {"Upload_Complete": "?1", "Upload_Draft_Interop_Version": "10", "Upload_Offset": str(offset)}
                fields |= {"Content_Type": "application/partial-upload", "Content_Length": str(len(content) - offset)}
                await broken.send(request("PATCH", path_of(address), **fields), content[offset:place])
                break_off(broken, chance.choice(WAYS))
            for _ in range(5):  # what a broken request had brought may be taken in behind the answer to HEAD
                state = await client.head(address)
                assert (state.headers["upload-complete"], state.headers["upload-length"]) == ("?0", str(len(content)))
                assert (await kept()).rows == []
                offset = int(state.headers["upload-offset"])
                response = await append(client, address, offset, content[offset:], complete=True)
                if response.status_code == 200:
                    break
                assert response.status_code == 409, response.text
            assert response.status_code == 200
            state = await client.head(address)
            assert (state.headers["upload-offset"], state.headers["upload-complete"]) == (str(len(content)), "?1")
    finally:
        for connection in connections:
            connection.writer.transport.abort()
    await is_whole(kept, settings, content)


async def begin_at(server: str) -> str:
    """Begins an upload; returns its address."""
    async with httpx.AsyncClient(base_url=server, headers=NEWEST) as client:
        return await begin(client)


def whole_append(address: str, content: bytes, **more: str) -> bytes:
    """The head of the append that brings all of an upload."""
    fields = {"Upload_Complete": "?1", "Upload_Draft_Interop_Version": "10", "Upload_Offset": "0"}
    fields |= {"Content_Type": "application/partial-upload", "Content_Length": str(len(content))}
    return request("PATCH", path_of(address), **fields, **more)


async def test_progress_is_told_while_bytes_come(server: str) -> None:
    """4.4.2: interim responses say how many bytes are durable, and MUST NOT include Location."""
    content = large(40 * MIB)
    address = await begin_at(server)
    async with wire(server) as client:
        sending = asyncio.create_task(client.send(whole_append(address, content), content))
        offsets = []
        while (answer := await client.answer())[0] == 104:
            assert "location" not in answer[1]
            assert answer[1]["upload-draft-interop-version"] == "10"
            offsets.append(int(answer[1]["upload-offset"]))
        await sending
        assert answer[0] == 200
    assert len(offsets) == 2
    assert 16 * MIB <= offsets[0] < offsets[1] <= len(content)


async def test_a_digest_of_the_body_that_is_still_to_be_checked_tells_no_progress(server: str) -> None:
    """4.1.1: an offset that was told MUST NOT decrease, and these bytes may still be taken back."""
    content = large(20 * MIB)
    address = await begin_at(server)
    async with wire(server) as client:
        sending = asyncio.create_task(
            client.send(whole_append(address, content, Content_Digest="sha-256=:AAAA:"), content)
        )
        assert (await client.answer())[0] == 400
        await sending
    async with httpx.AsyncClient(base_url=server, headers=NEWEST) as client:
        assert (await client.head(address)).headers["upload-offset"] == "0"
