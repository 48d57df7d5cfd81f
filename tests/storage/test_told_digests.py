"""Digests over HTTP are true: those that go with downloads, and what is said of those that come with uploads.

Recordings have every size at which bytes take another way, from a folder and from an object store.
"""

import asyncio
import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from core.settings import Settings, load_settings
from storage.contract import PIECE_BYTES
from storage.hashing import OFFLOAD_BYTES
from tests.api.conftest import Kept, Look, far_client, kept, problem, server, way
from tests.api.uploads.test_digests import digest
from tests.api.uploads.test_tus import BYTES, TUS
from tests.api.uploads.test_tus import URL as UPLOADS
from tests.api.uploads.test_upload import FORM, URL, form, part
from tests.audio.samples import recording
from tests.storage.shelf import KIB, MIB, damages

__all__ = ["far_client", "kept", "server", "way"]

HEAD = recording("wav")[:100]
SIZES = (64 * KIB, OFFLOAD_BYTES + 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * MIB + 7)


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.xdist_group("object store"))])
def settings(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Settings:
    """The settings of a server that takes large recordings, with a storage of each kind."""
    where = request.getfixturevalue("object_store").settings() if request.param == "s3" else {}
    return load_settings(
        database_url=database, data_path=tmp_path, max_file_size_mb=32, port=0, processing="off", **where
    )


async def send(client: httpx.AsyncClient, content: bytes, digested: bytes) -> Sequence[httpx.Response]:
    """Uploads bytes in every way, with the digest of `digested`, and returns the answers."""
    body = form(part("file", content, file_name="memo.wav"))
    whole = form(part("file", digested, file_name="memo.wav"))
    in_part = form(part("file", content, file_name="memo.wav", headers=f"Repr-Digest: {digest(digested)}\r\n"))
    checksum = base64.b64encode(hashlib.sha1(digested).digest()).decode()
    begun = TUS | BYTES | {"Upload-Length": str(len(content))}
    return await asyncio.gather(
        client.post(URL, content=body, headers=FORM | {"Content-Digest": digest(whole, "sha-512")}),
        client.post(URL, content=in_part, headers=FORM),
        client.post(UPLOADS, content=content, headers=begun | {"Content-Digest": digest(digested)}),
        client.post(UPLOADS, content=content, headers=begun | {"Upload-Checksum": f"sha1 {checksum}"}),
    )


def recording_of(size: int) -> bytes:
    """Bytes that begin as a recording does."""
    return HEAD + os.urandom(size - len(HEAD))


async def test_a_download_has_the_digest_that_is_told(far_client: httpx.AsyncClient) -> None:
    """However large recordings are, and however many are fetched at once, each has the digest in its header."""
    contents = [recording_of(size) for size in SIZES]
    ids: dict[str, bytes] = {}
    for content in contents:
        *forms, first, second = await send(far_client, content, content)
        assert {answer.status_code for answer in forms} == {200}
        assert {answer.status_code for answer in (first, second)} == {201}
        ids |= {answer.json()["id"]: content for answer in forms}
        ids |= {answer.headers["upload-recording-id"]: content for answer in (first, second)}
    answers = await asyncio.gather(*(far_client.get(f"/api/audio/{found}/download") for found in ids))
    for answer, content in zip(answers, ids.values(), strict=True):
        assert answer.headers["repr-digest"] == digest(answer.content) == digest(content)


async def test_a_very_large_one_has_it_too(far_client: httpx.AsyncClient) -> None:
    """Of a part of 20 MiB the digest is told that all of it has."""
    content = recording_of(20 * MIB)
    body = form(part("file", content, file_name="memo.wav", headers=f"Content-Digest: {digest(content)}\r\n"))
    found = (await far_client.post(URL, content=body, headers=FORM)).json()["id"]
    answer = await far_client.get(f"/api/audio/{found}/download", headers={"Range": "bytes=-1000"})
    assert answer.headers["repr-digest"] == digest(content)
    assert answer.content == content[-1000:]


async def test_bytes_without_their_digest_are_never_taken(far_client: httpx.AsyncClient, kept: Look) -> None:
    """A byte that changed anywhere, some that are lost, one too many: told as that, and nothing of it stays."""
    content = recording_of(PIECE_BYTES + 1)
    damaged = [damage(content) for damage in damages(len(content))]
    for sent in (sent for sent in damaged if sent.startswith(HEAD)):
        *forms, first, second = await send(far_client, sent, content)
        for answer in forms:
            problem(answer, status=400, slug="digest-mismatch")
        for answer in (first, second):
            problem(answer, status=460, slug="checksum-wrong")
    assert await kept() == Kept([], set())
