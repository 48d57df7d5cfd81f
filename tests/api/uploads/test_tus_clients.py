"""tus as clients really speak it: their metadata, their addresses, and three of them uploading to a real server."""

import asyncio
import io
from pathlib import Path

import aiohttp
import aiotus
import aiotus.core
import aiotus.creation
import httpx
import pytest
import structlog
import yarl
from resumable_upload import TusClient

from core.settings import Settings
from tests.api.conftest import Look, Serve, problem
from tests.api.uploads.test_tus import BYTES, TUS, URL, WAV, b64, begin, metadata
from tests.stored import Stored

NAMES = {"filename": "مذكرة 🎙️.wav", "tag": "Größe", "category": "会議"}


@pytest.fixture
def client(far_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client at the other end of a real socket that names the version of tus."""
    far_client.headers.update(TUS)
    return far_client


async def test_metadata_come_in_and_go_out_as_they_were_sent(client: httpx.AsyncClient, kept: Look) -> None:
    """Two lines, a trailing comma, binary values and keys without one: all are given back, and names are understood."""
    binary = f"thumbhash {b64(bytes(range(256)))}"
    lines = [f"{metadata(filename='memo.wav')},relativePath,", f"{binary} , tag  {b64('Work')},"]
    headers = [(b"Upload-Length", b"%d" % len(WAV)), *((b"Upload-Metadata", line.encode()) for line in lines)]
    begun = await client.post(URL, headers=[*((k.encode(), v.encode()) for k, v in TUS.items()), *headers])
    assert begun.status_code == 201, begun.text
    where = begun.headers["location"]
    assert (await client.head(where)).headers["upload-metadata"] == ",".join(lines)
    assert (await client.patch(where, content=WAV, headers=BYTES | {"Upload-Offset": "0"})).status_code == 204
    assert (await client.head(where)).headers["upload-metadata"] == ",".join(lines)
    [row] = (await kept()).rows
    assert (row["original_filename"], row["tag"]) == ("memo.wav", "Work")


async def test_names_have_to_be_texts(client: httpx.AsyncClient) -> None:
    """A binary value is refused where it would have to be shown."""
    for key in ("filename", "name", "tag", "user_id", "filetype"):
        said = {"Upload-Length": "9", "Upload-Metadata": f"{key} /w=="}
        told = problem(await client.post(URL, headers=said), status=400, slug="upload-header-refused")
        assert told["header"] == "Upload-Metadata"


async def test_a_path_is_cut_to_its_last_part(client: httpx.AsyncClient) -> None:
    """A client that sends a path as the name uploads all the same."""
    said = {"Upload-Length": str(len(WAV)), "Upload-Metadata": metadata(filename="C:\\recordings\\memo.wav")}
    answer = await client.post(URL, content=WAV, headers=BYTES | said)
    shown = await client.get(f"/api/audio/{answer.headers['upload-recording-id']}")
    assert shown.json()["original_filename"] == "memo.wav"


async def test_paths_may_end_in_a_slash(client: httpx.AsyncClient, kept: Look) -> None:
    """Of both addresses, that where uploads begin and that of one, a trailing slash means nothing."""
    assert (await client.options(f"{URL}/")).status_code == 204
    begun = await client.post(f"{URL}/", headers={"Upload-Length": str(len(WAV))})
    where = f"{begun.headers['location']}/"
    assert (await client.options(where)).status_code == 204
    assert (await client.patch(where, content=WAV[:9], headers=BYTES | {"Upload-Offset": "0"})).status_code == 204
    assert (await client.head(where)).headers["upload-offset"] == "9"
    assert (await client.delete(where)).status_code == 204
    assert (await client.head(where)).status_code == 404


async def test_the_address_of_an_upload_is_absolute(client: httpx.AsyncClient, serve: Serve) -> None:
    """It is where the client has asked; behind a proxy it is below PUBLIC_URL, or without one a path."""
    length = {"Upload-Length": "9"}
    begun = await client.post(URL, headers=length)
    assert begun.headers["location"].startswith(f"{str(client.base_url).rstrip('/')}{URL}/")
    named = await client.post(URL, headers=length | {"Host": "localhost:99"})
    assert named.headers["location"].startswith(f"http://localhost:99{URL}/")
    async with serve(auth="open") as proxied:
        said = TUS | length | {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test"}
        assert (await proxied.post(URL, headers=said)).headers["location"].startswith(f"{URL}/")
    async with serve(public_url="https://pegasus.example/audio") as below:
        begun = await below.post(URL, headers=TUS | length)
        assert begun.headers["location"].startswith(f"https://pegasus.example/audio{URL}/")


async def test_concatenation_is_refused_as_that(client: httpx.AsyncClient) -> None:
    """A client that would send parts at once learns that it can't, and what it can do."""
    said = {"Upload-Length": "9", "Upload-Concat": "partial"}
    for headers in (said, {"Upload-Concat": "final;/api/uploads/a /api/uploads/b"}):
        told = problem(await client.post(URL, headers=headers), status=400, slug="upload-header-refused")
        assert "concatenation" in told["detail"]
    assert "concatenation" not in (await client.options(URL)).headers["tus-extension"]


async def whole(kept: Look, settings: Settings) -> tuple[str, str, str]:
    """The names of the one recording that there is, whose bytes are those that were sent."""
    [row] = (await kept()).rows
    assert Stored(settings).read(row["file_path"]) == WAV
    return row["original_filename"], row["tag"], row["category"]


async def test_aiotus_uploads_and_resumes(server: str, kept: Look, settings: Settings) -> None:
    """aiotus, which refuses relative addresses, uploads, reads its metadata back, and goes on."""
    said = {name: text.encode() for name, text in NAMES.items()} | {"raw": b"\xff\x00", "none": None}
    where = await aiotus.upload(f"{server}{URL}", io.BytesIO(WAV), said)
    assert await aiotus.metadata(str(where)) == said
    assert await whole(kept, settings) == tuple(NAMES.values())
    async with aiohttp.ClientSession() as session:
        half = await aiotus.creation.create(session, yarl.URL(f"{server}{URL}/"), io.BytesIO(WAV), said)
        async with session.patch(half, data=WAV[:9_000], headers=TUS | BYTES | {"Upload-Offset": "0"}) as answer:
            assert answer.status == 204
        await aiotus.core.upload_buffer(session, half, io.BytesIO(WAV), chunksize=300_000)
    resumed = [row for row in (await kept()).rows if str(half).endswith(str(row["id"]))]
    assert [Stored(settings).read(row["file_path"]) for row in resumed] == [WAV]


async def test_resumable_upload_uploads_and_resumes(
    server: str, kept: Look, settings: Settings, tmp_path: Path
) -> None:
    """The client of the package resumable-upload uploads in chunks with checksums, breaks off and goes on."""
    (tmp_path / "memo.wav").write_bytes(WAV)

    def upload() -> None:
        client = TusClient(f"{server}{URL}", chunk_size=300_000, checksum=True)
        uploader = client.create_uploader(str(tmp_path / "memo.wav"), metadata=NAMES)
        uploader.upload_chunk()
        uploader.close()
        client.resume_upload(str(tmp_path / "memo.wav"), uploader.url)

    await asyncio.to_thread(upload)
    assert await whole(kept, settings) == tuple(NAMES.values())


async def test_a_token_is_ignored_where_none_exists(client: httpx.AsyncClient) -> None:
    """A client that always sends a token, bare, uses a server without tokens like any other; the log says so once."""
    with structlog.testing.capture_logs() as lines:
        for token in ("no-such-token", "Bearer no-such-token"):
            client.headers["Authorization"] = token
            assert (await client.get("/api/audio/")).status_code == 200
            assert await begin(client, 9)
    assert len([line for line in lines if "a token was sent" in line["event"]]) == 1
    assert "no-such-token" not in str(lines)
