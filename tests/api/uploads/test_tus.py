"""Resumable uploads by tus 1.0: each step, and what is refused before a byte of it is read."""

import asyncio
import base64
import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from audio.intake.resumable import resumable_uploads
from core.settings import Settings
from storage.object_names import STAGING
from tests.api.conftest import Look, Serve, Started, problem
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.stored import Stored

URL = "/api/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {"Content-Type": "application/offset+octet-stream"}
WAV = recording("wav") + bytes(range(256)) * 3000  # enough to be read directly
TEXT = b"no audio at all " * 4096


def b64(content: bytes | str) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def metadata(**texts: str) -> str:
    return ",".join(f"{key} {b64(text)}" for key, text in texts.items())


@pytest.fixture(params=["length known", "chunked"])
async def tus(request: pytest.FixtureRequest, server: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that speaks tus to a real server, which reads a large body directly where its length is known."""
    async with httpx.AsyncClient(base_url=server, headers=TUS) as client:
        client.headers["X-Chunked"] = "yes" if request.param == "chunked" else ""
        yield client


async def begin(client: httpx.AsyncClient, length: int | None, **headers: str) -> str:
    """Begins an upload and returns where it goes on."""
    size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    answer = await client.post(URL, headers=size | {name.replace("_", "-"): text for name, text in headers.items()})
    assert answer.status_code == 201, answer.text
    assert answer.headers["upload-offset"] == "0"
    return httpx.URL(answer.headers["location"]).path


async def patch(client: httpx.AsyncClient, where: str, offset: int, content: bytes, **headers: str) -> httpx.Response:
    """Sends bytes for a place in an upload."""
    more = {name.replace("_", "-"): text for name, text in headers.items()}
    sent = chunks(content) if client.headers.get("X-Chunked") else content
    return await client.patch(where, content=sent, headers=BYTES | {"Upload-Offset": str(offset)} | more)


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 50_000):
        yield content[at : at + 50_000]


async def is_a_recording(kept: Look, settings: Settings, answer: httpx.Response, content: bytes) -> dict[str, Any]:
    """Checks that an upload has become one whole recording and nothing else, and returns its row."""
    [row] = (await kept()).rows
    assert answer.headers["upload-recording-id"] == str(row["id"])
    assert answer.headers["link"] == f'</api/audio/{row["id"]}>; rel="related"'
    assert answer.headers["upload-offset"] == str(len(content)) == str(row["file_size_bytes"])
    assert Stored(settings).read(row["file_path"]) == content
    manifest = json.loads(Stored(settings).read(f"{row['file_path']}.json"))
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert (manifest["id"], manifest["size_bytes"], manifest["tag"]) == (str(row["id"]), len(content), row["tag"])
    assert (await kept()).files == {row["file_path"], f"{row['file_path']}.json"}
    return row


@pytest.mark.parametrize("cuts", [[], [1], [5000, 16_383, 16_384, 60_000], [16_384], [len(WAV) - 1]])
async def test_an_upload_in_pieces_is_a_recording(
    tus: httpx.AsyncClient, kept: Look, settings: Settings, cuts: list[int]
) -> None:
    """However it is cut, an upload becomes an ordinary recording with its last byte, and its id is told."""
    said = metadata(filename="Mémo.wav", filetype="audio/x-wrong", tag="Work", category="Meeting", mood="fine")
    where = await begin(tus, len(WAV), Upload_Metadata=said)
    edges = [0, *cuts, len(WAV)]
    for start, stop in itertools.pairwise(edges):
        assert (await kept()).rows == []
        answer = await patch(tus, where, start, WAV[start:stop])
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(stop)), answer.text
    row = await is_a_recording(kept, settings, answer, WAV)
    assert (row["original_filename"], row["tag"], row["category"]) == ("Mémo.wav", "Work", "Meeting")
    assert (row["mime_type"], row["processing_status"]) == ("audio/wav", "uploaded")
    assert where == f"{URL}/{row['id']}"
    state = await tus.head(where)
    assert state.headers["upload-recording-id"] == str(row["id"])
    shown = await tus.get(f"/api/audio/{row['id']}/download")
    assert shown.content == WAV


async def test_a_first_piece_comes_with_the_creation(tus: httpx.AsyncClient, kept: Look, settings: Settings) -> None:
    """The bytes of a creation count: some of them, or all."""
    for stop in (20_000, len(WAV)):
        answer = await tus.post(URL, content=WAV[:stop], headers=BYTES | {"Upload-Length": str(len(WAV))})
        assert (answer.status_code, answer.headers["upload-offset"]) == (201, str(stop)), answer.text
        assert ("upload-recording-id" in answer.headers) == (stop == len(WAV))
        if stop < len(WAV):
            assert (await tus.delete(answer.headers["location"])).status_code == 204
    await is_a_recording(kept, settings, answer, WAV)


@pytest.mark.parametrize("quota", [0, 100])
async def test_an_upload_in_one_request_answers_as_every_other(
    serve: Serve, kept: Look, settings: Settings, quota: int
) -> None:
    """What its creation brought whole is a recording at once, and is asked for, repeated and ended like any upload."""
    async with serve(open_uploads=1, user_quota_recordings=quota) as client:
        client.headers.update(TUS)
        size, said = {"Upload-Length": str(len(WAV))}, metadata(filename="Mémo.wav", tag="Work")
        created = await client.post(URL, content=WAV, headers=BYTES | size | {"Upload-Metadata": said})
        assert (created.status_code, created.headers["upload-offset"]) == (201, str(len(WAV))), created.text
        row = await is_a_recording(kept, settings, created, WAV)
        assert (row["original_filename"], row["tag"]) == ("Mémo.wav", "Work")
        where = created.headers["location"]
        state = await client.head(where)
        assert state.headers["upload-recording-id"] == str(row["id"]) == where.rpartition("/")[2]
        assert (state.headers["upload-offset"], state.headers["upload-metadata"]) == (str(len(WAV)), said)
        assert state.headers["upload-expires"] == created.headers["upload-expires"]
        assert (await patch(client, where, 0, WAV)).status_code == 204
        assert (await client.delete(where)).status_code == 204
        assert (await client.head(where)).status_code == 404
        assert len((await kept()).rows) == 1


async def test_a_failed_first_piece_leaves_no_upload(tus: httpx.AsyncClient, kept: Look, run_sql: RunSql) -> None:
    """Where a creation's bytes are refused nobody learns where it could go on, so nothing stays."""
    size = {"Upload-Length": str(len(TEXT))}
    problem(await tus.post(URL, content=TEXT, headers=BYTES | size), status=415, slug="not-audio")
    wrong = {"Upload-Checksum": f"sha1 {b64(bytes(20))}"}
    problem(await tus.post(URL, content=TEXT, headers=BYTES | size | wrong), status=460, slug="checksum-wrong")
    problem(await tus.post(URL, content=TEXT, headers=size), status=415, slug="not-upload-bytes")
    assert await run_sql("SELECT * FROM pegasus_system.uploads") == []
    assert (await kept()).files == set()


@pytest.mark.parametrize("declared_with", ["the last bytes", "nothing", "the first bytes"])
async def test_a_length_may_be_said_later(
    tus: httpx.AsyncClient, kept: Look, settings: Settings, declared_with: str
) -> None:
    """A recording that is still going on has no length yet; once that is said, and all is there, it is finished."""
    where = await begin(tus, None)
    first, size = len(WAV) // 2, {"Upload_Length": str(len(WAV))}
    answer = await patch(tus, where, 0, WAV[:first], **(size if declared_with == "the first bytes" else {}))
    state = await tus.head(where)
    assert (state.headers.get("upload-defer-length") is None) == (declared_with == "the first bytes")
    answer = await patch(tus, where, first, WAV[first:], **(size if declared_with == "the last bytes" else {}))
    if declared_with == "nothing":
        assert "upload-recording-id" not in answer.headers
        refused = await patch(tus, where, len(WAV), b"", Upload_Length="7")
        problem(refused, status=400, slug="upload-length-refused")
        answer = await patch(tus, where, len(WAV), b"", **size)
    await is_a_recording(kept, settings, answer, WAV)


async def test_a_length_that_was_said_stays(tus: httpx.AsyncClient) -> None:
    """Another length is refused, the same one isn't."""
    where = await begin(tus, None)
    assert (await patch(tus, where, 0, WAV[:9], Upload_Length="20000")).status_code == 204
    problem(await patch(tus, where, 9, WAV[9:20], Upload_Length="20001"), status=400, slug="upload-length-refused")
    assert (await patch(tus, where, 9, WAV[9:20], Upload_Length="20000")).status_code == 204
    assert (await tus.head(where)).headers["upload-length"] == "20000"


def sums(content: bytes) -> list[dict[str, str]]:
    """Every way to say what the bytes must be."""
    sha1, sha256, sha512 = (b64(hashlib.new(name, content).digest()) for name in ("sha1", "sha256", "sha512"))
    return [
        {"Upload_Checksum": f"sha1 {sha1}"},
        {"Upload_Checksum": f"sha256 {sha256}"},
        {"Content_Digest": f"sha-256=:{sha256}:"},
        {"Repr_Digest": f"md5=:AAAA:, sha-512=:{sha512}:"},
        {"Content_Digest": f"sha-512=:{sha512}:", "Upload_Checksum": f"sha1 {sha1}"},
    ]


@pytest.mark.parametrize("way", range(5))
async def test_a_wrong_checksum_changes_nothing(
    tus: httpx.AsyncClient, kept: Look, settings: Settings, way: int
) -> None:
    """Bytes that aren't those which were sent are taken back, at any place; the right ones make a whole recording."""
    where, cuts = await begin(tus, len(WAV)), [0, 9_000, 30_000, len(WAV)]
    for start, stop in itertools.pairwise(cuts):
        right = WAV[start:stop]
        for wrong in (bytes(len(right)), right[:-1] + b"x", TEXT[: len(right)]):
            refused = await patch(tus, where, start, wrong, **sums(right)[way])
            problem(refused, status=460, slug="checksum-wrong")
            assert (await tus.head(where)).headers["upload-offset"] == str(start)
        answer = await patch(tus, where, start, right, **sums(right)[way])
        assert answer.status_code == 204, answer.text
    await is_a_recording(kept, settings, answer, WAV)


@pytest.mark.parametrize(
    "header",
    [
        {"Upload_Checksum": "md5 AAAA"},
        {"Upload_Checksum": "sha1"},
        {"Upload_Checksum": "sha1 ???"},
        {"Upload_Checksum": "sha256 AAAA"},
        {"Content_Digest": "sha-256=AAAA"},
        {"Content_Digest": "sha-256=:A:"},
        {"Repr_Digest": '"'},
        {"Upload_Offset": "-1"},
        {"Upload_Offset": "x"},
        {"Upload_Offset": ""},
        {"Upload_Length": "1.5"},
    ],
)
async def test_what_cannot_be_right_is_refused(tus: httpx.AsyncClient, header: dict[str, str]) -> None:
    """A header that can't be understood is named, and nothing is taken."""
    where = await begin(tus, len(WAV))
    answer = await patch(tus, where, 0, WAV, **header)
    if {"Content_Digest", "Repr_Digest"} & set(header):
        problem(answer, status=400, slug="digest-malformed")
    else:
        told = problem(answer, status=400, slug="upload-header-refused")
        assert told["header"].lower() == next(iter(header)).lower().replace("_", "-")
    assert (await tus.head(where)).headers["upload-offset"] == "0"


async def test_bytes_for_another_place_are_refused(tus: httpx.AsyncClient) -> None:
    """Only what goes on where the upload is, is taken; the answer says where that is."""
    where = await begin(tus, len(WAV))
    assert (await patch(tus, where, 0, WAV[:50])).status_code == 204
    for offset in (0, 49, 51, len(WAV)):
        answer = await patch(tus, where, offset, WAV[offset:60])
        assert problem(answer, status=409, slug="offset-mismatch")["offset"] == 50
        assert answer.headers["upload-offset"] == "50"
    assert (await tus.head(where)).headers["upload-offset"] == "50"


async def test_more_than_the_length_is_refused(tus: httpx.AsyncClient) -> None:
    """An upload never gets longer than was said."""
    where = await begin(tus, 30_000)
    problem(await patch(tus, where, 0, WAV[:30_001]), status=413, slug="upload-length-passed")
    assert (await patch(tus, where, 0, WAV[:100])).status_code == 204
    problem(await patch(tus, where, 100, WAV[100:30_001]), status=413, slug="upload-length-passed")
    assert (await tus.head(where)).headers["upload-offset"] == "100"


async def test_more_than_the_limit_is_refused(tus: httpx.AsyncClient, settings: Settings) -> None:
    """No upload gets longer than a recording may be, its length said or not."""
    limit = settings.max_file_size_bytes
    answer = await tus.post(URL, headers={"Upload-Length": str(limit + 1)})
    assert problem(answer, status=413, slug="upload-too-large")["limit"] == limit
    where = await begin(tus, None)
    assert (await patch(tus, where, 0, WAV)).status_code == 204
    answer = await patch(tus, where, len(WAV), bytes(limit - len(WAV) + 1))
    problem(answer, status=413, slug="upload-too-large")
    there = int((await tus.head(where)).headers["upload-offset"])
    problem(await patch(tus, where, there, b"", Upload_Length=str(limit + 1)), status=413, slug="upload-too-large")


@pytest.mark.parametrize("cuts", [[], [100], [16_383], [100, 200, 16_384]])
async def test_what_is_no_audio_ends(tus: httpx.AsyncClient, kept: Look, cuts: list[int]) -> None:
    """As soon as the head is there, bytes that aren't audio are refused and the upload is gone."""
    where = await begin(tus, len(TEXT))
    *edges, last = [0, *cuts, len(TEXT)]
    for start, stop in itertools.pairwise([*edges, last]):
        answer = await patch(tus, where, start, TEXT[start:stop])
        assert answer.status_code == (415 if stop >= 16_384 else 204)
        if answer.status_code == 415:
            break
    problem(answer, status=415, slug="not-audio")
    assert (await tus.head(where)).status_code == 404
    assert (await kept()).files == set()


async def test_a_short_text_is_no_audio(tus: httpx.AsyncClient, kept: Look) -> None:
    """So are bytes that end before a head is full."""
    where = await begin(tus, 100)
    assert (await patch(tus, where, 0, TEXT[:50])).status_code == 204
    problem(await patch(tus, where, 50, TEXT[50:100]), status=415, slug="not-audio")
    assert (await tus.head(where)).status_code == 404
    assert await kept() == type(await kept())([], set())


@pytest.mark.parametrize(
    ("headers", "status", "slug", "told"),
    [
        ({}, 400, "upload-header-refused", {"header": "Upload-Length"}),
        ({"Upload-Length": "9", "Upload-Defer-Length": "1"}, 400, "upload-header-refused", {}),
        ({"Upload-Defer-Length": "2"}, 400, "upload-header-refused", {"header": "Upload-Defer-Length"}),
        ({"Upload-Length": "-9"}, 400, "upload-header-refused", {"header": "Upload-Length"}),
        ({"Upload-Length": "9" * 30}, 400, "upload-header-refused", {"header": "Upload-Length"}),
        ({"Upload-Length": "9", "Upload-Concat": "partial"}, 400, "upload-header-refused", {"header": "Upload-Concat"}),
        ({"Upload-Length": "0"}, 422, "upload-empty", {}),
        ({"Upload-Length": "9", "Upload-Metadata": "tag ???"}, 400, "upload-header-refused", {}),
        ({"Upload-Length": "9", "Upload-Metadata": "tag /w=="}, 400, "upload-header-refused", {}),
        ({"Upload-Length": "9", "Upload-Metadata": "tag YQ==,tag YQ=="}, 400, "upload-header-refused", {}),
        ({"Upload-Length": "9", "Upload-Metadata": metadata(tag="a" * 101)}, 422, "label-too-long", {"limit": 100}),
        ({"Upload-Length": "9", "Upload-Metadata": metadata(category="\x07")}, 422, "label-unprintable", {}),
        ({"Upload-Length": "9", "Upload-Metadata": metadata(name="a" * 256)}, 422, "label-too-long", {"limit": 255}),
        ({"Upload-Length": "9", "Tus-Resumable": "0.2.2"}, 412, "tus-version-unknown", {}),
    ],
)
async def test_a_bad_creation_is_refused_at_once(
    client: httpx.AsyncClient, run_sql: RunSql, headers: dict[str, str], status: int, slug: str, told: dict[str, Any]
) -> None:
    """What is wrong with an upload is said when it is begun, before a byte of it was sent."""
    answer = await client.post(URL, headers=TUS | headers)
    assert told.items() <= problem(answer, status=status, slug=slug).items()
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers.get("tus-version") == ("1.0.0" if status == 412 else None)
    assert await run_sql("SELECT * FROM pegasus_system.uploads") == []


async def test_what_was_said_is_shown(client: httpx.AsyncClient) -> None:
    """HEAD gives back what came with the creation as it came, as Uppy sends it too; keys without a value count."""
    client.headers.update(TUS)
    said = f"{metadata(name='mémo.wav', type='audio/wav')},relativePath,tag {b64('W')}"
    answer = await client.head(await begin(client, 9, Upload_Metadata=said))
    assert answer.headers["upload-metadata"] == said
    assert (answer.headers["upload-length"], answer.headers["cache-control"]) == ("9", "no-store")
    remaining = parsedate_to_datetime(answer.headers["upload-expires"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=58) < remaining <= timedelta(hours=24)


async def test_the_server_says_what_it_can(client: httpx.AsyncClient, settings: Settings) -> None:
    """OPTIONS needs no version and names each extension; every answer exposes its headers."""
    answer = await client.options(URL)
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-max-size"] == str(settings.max_file_size_bytes)
    assert answer.headers["tus-checksum-algorithm"] == "sha1,sha256"
    assert answer.headers["tus-extension"].split(",") == [
        "creation", "creation-with-upload", "creation-defer-length", "checksum", "termination", "expiration",
    ]  # fmt: skip
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"upload-offset", "location", "upload-length", "upload-recording-id", "upload-expires"} <= exposed
    assert "access-control-allow-origin" not in answer.headers
    foreign = await client.options(URL, headers={"Origin": "http://evil.test"})
    problem(foreign, status=403, slug="foreign-origin")


async def test_each_request_names_the_version(client: httpx.AsyncClient) -> None:
    """Without Tus-Resumable nothing is done, and a foreign content type is no upload's."""
    client.headers.update(TUS)
    where = await begin(client, len(WAV))
    for method in ("POST", "HEAD", "PATCH", "DELETE"):
        answer = await client.request(method, URL if method == "POST" else where, headers={"Tus-Resumable": ""})
        assert answer.status_code == 412
        assert answer.headers["tus-version"] == "1.0.0"
    answer = await client.patch(where, content=WAV, headers={"Upload-Offset": "0", "Content-Type": "audio/wav"})
    problem(answer, status=415, slug="not-upload-bytes")
    problem(await client.get(where), status=405, slug="method-not-allowed")
    problem(await client.patch(f"{URL}/{uuid4()}", headers=BYTES | {"Upload-Offset": "0"}), status=404,
            slug="upload-missing")  # fmt: skip


async def test_a_method_may_be_overridden(client: httpx.AsyncClient, kept: Look, settings: Settings) -> None:
    """A client that can send nothing but POST says the method in a header."""
    client.headers.update(TUS)
    where = await begin(client, len(WAV))
    headers = BYTES | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    answer = await client.post(where, content=WAV, headers=headers)
    assert answer.status_code == 204
    await is_a_recording(kept, settings, answer, WAV)
    answer = await client.post(where, headers={"X-HTTP-Method-Override": "DELETE"})
    assert answer.status_code == 204
    assert (await client.head(where)).status_code == 404


async def test_an_ended_upload_leaves_nothing(tus: httpx.AsyncClient, kept: Look, run_sql: RunSql) -> None:
    """DELETE removes what came of an upload."""
    where = await begin(tus, len(WAV))
    assert (await patch(tus, where, 0, WAV[:600_000])).status_code == 204
    assert len((await kept()).files) == 1
    assert (await tus.delete(where)).status_code == 204
    for answer in (await tus.head(where), await tus.delete(where), await patch(tus, where, 0, WAV)):
        assert answer.status_code == 404
    assert (await kept()).files == set()
    assert await run_sql("SELECT * FROM pegasus_system.uploads") == []


async def test_a_finished_upload_answers_again(tus: httpx.AsyncClient, kept: Look, settings: Settings) -> None:
    """When the last answer was lost, HEAD, the same request and an empty one all tell the recording once more."""
    where = await begin(tus, len(WAV))
    assert (await patch(tus, where, 0, WAV[:20_000])).status_code == 204
    for offset in (20_000, *([] if tus.headers["X-Chunked"] else [20_000]), len(WAV)):
        answer = await patch(tus, where, offset, WAV[offset:])
        assert answer.status_code == 204
        await is_a_recording(kept, settings, answer, WAV)
    state = await tus.head(where)
    await is_a_recording(kept, settings, state, WAV)
    problem(await patch(tus, where, 0, b"x"), status=409, slug="offset-mismatch")
    assert (await tus.delete(where)).status_code == 204
    assert (await tus.get(f"/api/audio/{state.headers['upload-recording-id']}")).status_code == 200


@pytest.mark.folder  # which can be broken
async def test_a_finished_upload_needs_no_storage(client: httpx.AsyncClient, settings: Settings) -> None:
    """The last answer is given once more also while the bytes of uploads are out of reach."""
    client.headers.update(TUS)
    where = await begin(client, len(WAV))
    assert (await patch(client, where, 0, WAV)).status_code == 204
    folder = settings.storage_root / STAGING / "uploads"
    folder.rmdir()
    folder.touch()
    problem(await patch(client, await begin(client, 1), 0, b"x"), status=503, slug="storage-unavailable")
    assert (await patch(client, where, 0, WAV)).status_code == 204


async def test_expired_uploads_go(
    client: httpx.AsyncClient, app: Started, kept: Look, run_sql: RunSql, settings: Settings
) -> None:
    """What nobody went on with for its time is gone; a recording that came of it stays, and so does a living upload."""
    client.headers.update(TUS)
    old, living, finished = [await begin(client, len(WAV)) for _ in range(3)]
    for where, stop in ((old, 20_000), (living, 20_000), (finished, len(WAV))):
        assert (await patch(client, where, 0, WAV[:stop])).status_code == 204
    uploads = app.state["services"].uploads
    assert await uploads.expire() == 0
    over = "UPDATE pegasus_system.uploads SET expires_at = now() - interval '1 second' WHERE id = $1"
    for where in (old, finished):
        await run_sql(over, UUID(where.rpartition("/")[2]))
        assert (await client.head(where)).status_code == 404
    assert await uploads.expire() == 2
    assert await uploads.expire() == 0
    assert (await client.head(living)).headers["upload-offset"] == "20000"
    assert len((await kept()).rows) == 1
    assert len((await kept()).files) == 3
    assert (await patch(client, living, 20_000, WAV[20_000:])).status_code == 204


async def test_an_upload_lives_while_bytes_come(
    tus: httpx.AsyncClient, run_sql: RunSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload is renewed while its bytes come, so that it has its 24 hours after them however long they took."""
    monkeypatch.setattr(resumable_uploads, "RENEWAL_INTERVAL", timedelta(milliseconds=10))
    where = await begin(tus, len(WAV))
    renewed = "SELECT 1 FROM pegasus_system.uploads WHERE expires_at > now() + interval '23 hours'"

    async def slow() -> AsyncIterator[bytes]:
        yield WAV[:20_000]
        await run_sql("UPDATE pegasus_system.uploads SET expires_at = now() + interval '1 hour'")
        while not await run_sql(renewed):
            await asyncio.sleep(0.01)
        yield WAV[20_000:30_000]

    headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    assert (await tus.patch(where, content=slow(), headers=headers)).status_code == 204


@pytest.mark.parametrize("spelt", ["{hex:.3}-{rest}", "{{{hex}", "uuid:{hex}", "1_{end}", "{hex}0"])
async def test_an_id_has_one_form(tus: httpx.AsyncClient, spelt: str) -> None:
    """What isn't an upload's id is refused, whatever Python would make of it; capitals and braces are an id's, too."""
    where = await begin(tus, len(WAV))
    upload_id = where.rpartition("/")[2]
    plain = upload_id.replace("-", "")
    other = spelt.format(hex=plain, rest=plain[3:], end=plain[2:])
    assert (await tus.head(f"/api/uploads/{other}")).status_code == 422
    for same in (upload_id, upload_id.upper(), plain, f"{{{upload_id}}}"):
        assert (await tus.head(f"/api/uploads/{same}")).status_code == 200


@pytest.mark.parametrize(("minutes_left", "is_renewed"), [(60, "yes"), (24 * 60 - 10, "yes"), (24 * 60 - 2, "no")])
async def test_bytes_renew_an_upload(
    tus: httpx.AsyncClient, run_sql: RunSql, minutes_left: int, is_renewed: str
) -> None:
    """Bytes give an upload its 24 hours again, unless they were given in the last five minutes."""
    where = await begin(tus, len(WAV))
    left = timedelta(minutes=minutes_left)
    [[before]] = await run_sql("UPDATE pegasus_system.uploads SET expires_at = now() + $1 RETURNING expires_at", left)
    assert (await patch(tus, where, 0, WAV[:20_000])).status_code == 204
    [[after, now]] = await run_sql("SELECT expires_at, now() FROM pegasus_system.uploads")
    assert after > now + timedelta(hours=23, minutes=55)
    assert (after > before) == (is_renewed == "yes")


async def test_each_upload_becomes_its_own_recording(client: httpx.AsyncClient, kept: Look) -> None:
    """Uploads that go on by turns, while others have been finished, don't get mixed up."""
    client.headers.update(TUS)
    finished = set()
    for _ in range(3):
        places = [await begin(client, len(WAV)) for _ in range(2)]
        for start, stop in ((0, 9_000), (9_000, 30_000), (30_000, len(WAV))):
            for where in places:
                assert (await client.head(where)).headers["upload-offset"] == str(start)
                answer = await patch(client, where, start, WAV[start:stop])
                told = answer.headers.get("upload-recording-id")
                assert told == (where.rpartition("/")[2] if stop == len(WAV) else None)
        finished |= {where.rpartition("/")[2] for where in places}
    assert {str(row["id"]) for row in (await kept()).rows} == finished
