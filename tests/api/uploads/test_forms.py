"""Recordings that don't begin with their sound, or have no file header, over HTTP."""

import httpx
import pytest

from audio.model.recognition import HEAD_BYTES
from tests.api.conftest import Look, problem
from tests.api.uploads.test_tus import BYTES, TUS, URL
from tests.audio.forms import DECODED, RECOGNISED, TIMED, form, id3

FORMS = {**RECOGNISED, **DECODED, **TIMED}
SOME = [
    "mp3 behind two tags", "mp3 behind a picture", "mp3 behind zeros", "mp3 out of a stream", "aac behind a picture",
    "flac behind a picture", "wav behind a tag", "ac3 out of a stream", "pictures and skeleton before opus",
    "quicktime that begins with mdat", "an unknown brand", "rifx", "w64", "g722 in wav", "a chain of other codecs",
    "a gap in webm",
]  # fmt: skip


@pytest.mark.parametrize("name", SOME)
async def test_each_form_is_taken_in(client: httpx.AsyncClient, name: str) -> None:
    """The upload is answered with the type of what it is, and comes back byte for byte."""
    content = form(name)
    answer = await client.post("/api/audio/upload", files={"file": ("memo", content)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["mime_type"] == FORMS[name].mime_type
    assert (await client.get(f"/api/audio/{answer.json()['id']}/download")).content == content


@pytest.mark.parametrize("name", ["mp3 behind a picture", "flac behind a picture", "quicktime that begins with mdat"])
async def test_pieces_of_any_size_are_recognised(client: httpx.AsyncClient, name: str) -> None:
    """Where the sound lies far behind the first pieces of an upload, it goes on until it is there."""
    content = form(name)
    about = await client.post(URL, headers=TUS | {"Upload-Length": str(len(content))})
    where, at = about.headers["location"], 0
    for size in (10, 5000, HEAD_BYTES, len(content)):
        piece = content[at : at + size]
        answer = await client.patch(where, content=piece, headers=TUS | BYTES | {"Upload-Offset": str(at)})
        assert answer.status_code == 204, answer.text
        at += len(piece)
    recording = (await client.get(f"/api/audio/{answer.headers['upload-recording-id']}")).json()
    assert recording["mime_type"] == FORMS[name].mime_type


@pytest.mark.parametrize("behind", [b"", b"This is no recording. " * 5000, b"PK\x03\x04" + bytes(100_000)])
async def test_a_tag_alone_is_no_recording(client: httpx.AsyncClient, kept: Look, behind: bytes) -> None:
    """What has a tag in front and no sound behind it is refused, and nothing of it stays."""
    content = id3(bytes(200_000)) + behind
    answer = await client.post("/api/audio/upload", files={"file": ("memo.mp3", content)})
    problem(answer, status=415, slug="not-audio")
    assert not (await kept()).files
