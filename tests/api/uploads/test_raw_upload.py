"""A recording as the whole body of a request, with its labels in the query."""

from collections.abc import AsyncIterator

import httpx
import pytest

from core.settings import Settings
from tests.api.conftest import Look, problem
from tests.api.uploads.test_digests import digest
from tests.api.uploads.test_upload import URL
from tests.audio.samples import recording
from tests.stored import Stored

WAV = recording("wav")
AUDIO = {"Content-Type": "audio/x-m4a"}
TEXT = b"no audio at all " * 4096


@pytest.mark.parametrize("media_type", ["audio/wav", "Audio/X-M4A; codecs=1", "video/mp4", "audio/"])
async def test_a_body_of_audio_is_a_recording(
    client: httpx.AsyncClient, kept: Look, settings: Settings, media_type: str
) -> None:
    """The type says that it is no form; the bytes decide what it is."""
    query = {"filename": "Mémo 🎙.wav", "tag": "Work", "category": "Meeting", "user_id": "ada"}
    response = await client.post(URL, params=query, content=WAV, headers={"Content-Type": media_type})
    assert response.status_code == 200, response.text
    [row] = (await kept()).rows
    assert (row["original_filename"], row["tag"], row["category"]) == ("Mémo 🎙.wav", "Work", "Meeting")
    assert (row["user_id"], row["mime_type"]) == ("ada", "audio/wav")
    assert response.json()["id"] == str(row["id"])
    assert Stored(settings).read(row["file_path"]) == WAV


async def test_a_body_of_unknown_length_is_taken(client: httpx.AsyncClient, kept: Look) -> None:
    """A recording that is sent while it is made has no Content-Length."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(WAV), 10_000):
            yield WAV[start : start + 10_000]

    assert (await client.post(URL, content=pieces(), headers=AUDIO)).status_code == 200
    assert [row["file_size_bytes"] for row in (await kept()).rows] == [len(WAV)]


async def test_what_the_form_refuses_is_refused(client: httpx.AsyncClient, kept: Look, settings: Settings) -> None:
    """One policy: the same problems as of a form, and nothing stays."""
    too_many = bytes(settings.max_file_size_bytes + 1)
    for query, content, headers, status, slug in (
        ("", TEXT, AUDIO, 415, "not-audio"),
        ("", b"", AUDIO, 422, "upload-empty"),
        ("", too_many, AUDIO, 413, "upload-too-large"),
        ("?tag=" + "a" * 101, WAV, AUDIO, 422, "label-too-long"),
        ("?category=%07", WAV, AUDIO, 422, "label-unprintable"),
        ("?tga=Work", WAV, AUDIO, 422, "request-invalid"),
        ("?tag=caf%E9", WAV, AUDIO, 422, "request-invalid"),
        ("", WAV, {"Content-Type": "text/plain"}, 415, "not-a-form"),
        ("", WAV, AUDIO | {"Content-Digest": digest(WAV + b"x")}, 400, "digest-mismatch"),
    ):
        response = await client.post(URL + query, content=content, headers=headers)
        problem(response, status=status, slug=slug)
    assert ((await kept()).files, (await kept()).rows) == (set(), [])


async def test_its_digest_is_checked(client: httpx.AsyncClient) -> None:
    """A body that is what its digest was made from is taken."""
    assert (await client.post(URL, content=WAV, headers=AUDIO | {"Repr-Digest": digest(WAV)})).status_code == 200


async def test_sent_again_under_a_key_it_is_the_same(client: httpx.AsyncClient, kept: Look) -> None:
    """An Idempotency-Key counts as for a form, also from a client that could resume."""
    fields = AUDIO | {"Idempotency-Key": "once"}
    first = await client.post(URL, content=WAV, headers=fields)
    resumable = {"Upload-Draft-Interop-Version": "10", "Upload-Complete": "?1"}
    again = await client.post(URL, content=WAV, headers=fields | resumable)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"
    other = await client.post(URL, content=WAV + bytes(2), headers=fields)
    problem(other, status=422, slug="idempotency-key-reused")
    assert len((await kept()).rows) == 1
