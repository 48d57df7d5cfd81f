"""Digests sent with an upload are checked, and told with a download (RFC 9530)."""

import base64
import hashlib

import httpx
import pytest

from tests.api.conftest import Look, Upload, problem
from tests.api.uploads.test_upload import FORM, URL, form, part
from tests.audio.samples import recording

WAV = recording("wav")
BODY = form(part("file", WAV, file_name="memo.wav"), part("tag", "Work"))


def digest(content: bytes, algorithm: str = "sha-256") -> str:
    """A digest as it stands in a header."""
    value = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(value).decode()}:"


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
async def test_a_body_is_compared_with_its_digest(
    client: httpx.AsyncClient, kept: Look, field: str, algorithm: str
) -> None:
    """A body that isn't what its digest was made from is refused and leaves nothing; the right one is kept."""
    wrong = await client.post(URL, content=BODY, headers=FORM | {field: digest(BODY + b"x", algorithm)})
    assert problem(wrong, status=400, slug="digest-mismatch")["algorithm"] == algorithm
    assert (await kept()).files == set()
    right = await client.post(URL, content=BODY, headers=FORM | {field: digest(BODY, algorithm)})
    assert right.status_code == 200


async def test_a_file_is_compared_with_its_own_digest(client: httpx.AsyncClient, kept: Look) -> None:
    """A digest in the part's own headers is that of the file alone."""
    for content, status in ((WAV + b"x", 400), (WAV, 200)):
        body = form(part("file", WAV, file_name="memo.wav", headers=f"Content-Digest: {digest(content)}\r\n"))
        assert (await client.post(URL, content=body, headers=FORM)).status_code == status
    assert len((await kept()).rows) == 1


async def test_every_digest_has_to_be_right(client: httpx.AsyncClient) -> None:
    """Of several digests each is compared; an algorithm that isn't known is ignored, and the last of one counts."""
    for sent, status in (
        (f"{digest(BODY)}, {digest(BODY, 'sha-512')}, unixsum=:AAAA:", 200),
        (f"{digest(BODY)}, {digest(WAV, 'sha-512')}", 400),
        ("md5=:AAAA:", 200),
        (f"{digest(WAV)}, {digest(BODY)}", 200),
        (f"{digest(BODY)}, {digest(WAV)}", 400),
    ):
        answer = await client.post(URL, content=BODY, headers=FORM | {"Content-Digest": sent})
        assert answer.status_code == status, sent


@pytest.mark.parametrize("sent", ["sha-256", "sha-256=abc", "sha-256=:a:", "sha-256=:####:", "=:AAAA:"])
async def test_a_malformed_digest_is_refused(client: httpx.AsyncClient, kept: Look, sent: str) -> None:
    """Who sends a digest wants it checked: one that can't be read is refused."""
    answer = await client.post(URL, content=BODY, headers=FORM | {"Content-Digest": sent})
    problem(answer, status=400, slug="digest-malformed")
    assert (await kept()).rows == []


async def test_a_download_tells_its_digest(client: httpx.AsyncClient, upload: Upload) -> None:
    """Every answer with bytes tells the digest of the whole recording, one with a part of them too."""
    url = f"/api/audio/{(await upload())['id']}/download"
    for answer in (
        await client.get(url),
        await client.head(url),
        await client.get(url, headers={"Range": "bytes=0-9"}),
    ):
        assert answer.headers["repr-digest"] == digest(WAV)
