"""Uploads that are sent again: under the same key they are the same recording."""

import asyncio

import httpx
import pytest

from tests.api.conftest import Look, Started, problem
from tests.audio.samples import recording
from tests.conftest import RunSql

URL = "/api/audio/upload"
WAV = {"file": ("memo.wav", recording("wav"))}


def under(key: str) -> dict[str, str]:
    """The header that names a key."""
    return {"Idempotency-Key": key}


async def test_a_retried_upload_is_stored_once(client: httpx.AsyncClient, kept: Look) -> None:
    """The second upload under a key answers with the first one's recording, and keeps nothing."""
    first = await client.post(URL, files=WAV, data={"tag": "Work"}, headers=under("k1"))
    again = await client.post(URL, files=WAV, data={"tag": "Work"}, headers=under("k1"))
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert (len((await kept()).rows), len((await kept()).files)) == (1, 2)


async def test_of_many_at_once_one_is_stored(client: httpx.AsyncClient, kept: Look) -> None:
    """Ten uploads under one key at the same time are one recording, which all of them are told."""
    answers = await asyncio.gather(*(client.post(URL, files=WAV, headers=under("k1")) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (len((await kept()).rows), len((await kept()).files)) == (1, 2)


async def test_a_refused_upload_leaves_its_key_free(client: httpx.AsyncClient, kept: Look) -> None:
    """What was refused under a key can be sent under it again, mended."""
    refused = await client.post(URL, files={"file": ("memo.wav", b"text")}, headers=under("k1"))
    problem(refused, status=415, slug="not-audio")
    assert (await client.post(URL, files=WAV, headers=under("k1"))).status_code == 200
    assert len((await kept()).rows) == 1


async def test_a_deleted_recording_frees_its_key(client: httpx.AsyncClient, kept: Look) -> None:
    """After its recording was deleted, a key stands for the next upload under it."""
    first = await client.post(URL, files=WAV, headers=under("k1"))
    await client.delete(f"/api/audio/{first.json()['id']}")
    second = await client.post(URL, files=WAV, headers=under("k1"))
    assert second.status_code == 200
    assert second.json()["id"] != first.json()["id"]
    assert len((await kept()).rows) == 1


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "a b", "k\xe9"])
async def test_a_key_that_cannot_be_kept_is_refused(client: httpx.AsyncClient, kept: Look, key: str) -> None:
    """A key is refused before anything is stored, rather than cut or ignored."""
    answer = await client.post(URL, files=WAV, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    problem(answer, status=400, slug="idempotency-key-malformed")
    assert (await kept()).rows == []


async def test_keys_are_among_their_user(app: Started, client: httpx.AsyncClient, run_sql: RunSql) -> None:
    """Two users may choose the same key, and neither sees what the other stored under it."""
    for user in ("ada", "bob"):
        secret = "s" * 20 + user
        await run_sql(
            "INSERT INTO pegasus_system.tokens (id, user_id, admin, secret_sha256)"
            " VALUES (gen_random_uuid(), $1, false, sha256($2))",
            user,
            secret.encode(),
        )
        bearer = {"Authorization": f"Bearer {secret}"} | under("k1")
        answer = await client.post(URL, files=WAV, headers=bearer)
        assert (answer.status_code, answer.json().get("user_id")) == (200, user)
