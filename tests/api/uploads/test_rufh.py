"""Resumable uploads by the IETF's draft: what it demands of a server, section by section of its newest text."""

import asyncio
import hashlib
from typing import Any
from uuid import uuid4

import httpx
import pytest
from http_sf import parse, ser

from core.settings import Settings
from tests.api.conftest import Look, problem
from tests.api.uploads.test_serving import Wire, wire
from tests.api.uploads.test_tus import metadata
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.stored import Stored

URL = "/api/uploads"
FORM_URL = "/api/audio/upload"
IANA = "https://iana.org/assignments/http-problem-types#"
NEWEST = {"Upload-Draft-Interop-Version": "10"}
PARTIAL = NEWEST | {"Content-Type": "application/partial-upload"}
WAV = recording("wav") + bytes(range(256)) * 1200
TEXT = b"no audio at all " * 4096
HALF = len(WAV) // 2


@pytest.fixture
async def draft(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client that speaks the newest version of the draft."""
    client.headers.update(NEWEST)
    return client


def repr_digest(content: bytes, algorithm: str = "sha-256") -> str:
    """A digest as it stands in a header."""
    return ser({algorithm: hashlib.new(algorithm.replace("-", ""), content).digest()})


async def begin(client: httpx.AsyncClient, content: bytes = b"", **headers: str) -> str:
    """Begins an upload that goes on, and returns its address."""
    fields = {"Upload-Complete": "?0"} | {name.replace("_", "-"): value for name, value in headers.items()}
    response = await client.post(URL, content=content, headers=fields)
    assert response.status_code == 201, response.text
    assert response.headers["upload-complete"] == "?0"
    assert response.headers["upload-offset"] == str(len(content))
    return response.headers["location"]


async def append(
    client: httpx.AsyncClient, address: str, offset: int, content: bytes, *, complete: bool, **headers: str
) -> httpx.Response:
    """Appends bytes to an upload."""
    fields = PARTIAL | {"Upload-Offset": str(offset), "Upload-Complete": ser(complete)}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.patch(address, content=content, headers=fields | more)


async def check_recording(kept: Look, settings: Settings, response: httpx.Response, content: bytes) -> dict[str, Any]:
    """Checks that an upload has become one whole recording and nothing else, which its response shows."""
    [row] = (await kept()).rows
    assert response.status_code == 200, response.text
    assert response.headers["upload-complete"] == "?1"
    assert response.headers["upload-offset"] == str(len(content)) == str(row["file_size_bytes"])
    assert response.headers["repr-digest"] == repr_digest(content)
    shown = response.json()
    assert (shown["id"], shown["tag"]) == (str(row["id"]), row["tag"])
    assert Stored(settings).read(row["file_path"]) == content
    assert (await kept()).files == {row["file_path"], f"{row['file_path']}.json"}
    return row


def limits(response: httpx.Response) -> dict[str, int]:
    """The parsed Upload-Limit."""
    members: dict[str, Any] = dict(parse(response.headers["upload-limit"].encode(), tltype="dictionary"))  # type: ignore[arg-type]
    return {key: member[0] for key, member in members.items()}


def iana_problem(response: httpx.Response, *, status: int, name: str) -> dict[str, Any]:
    """The problem in a response, which must be one of the draft's own types."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    body: dict[str, Any] = response.json()
    assert body["type"] == IANA + name
    return body


def path_of(address: str) -> str:
    """The path of an upload's address: raw requests name no port in Host, so their addresses have none."""
    return httpx.URL(address).path


def request(method: str, path: str, *, version: str = "1.1", **headers: str) -> bytes:
    """The head of a request."""
    fields = {"Host": "127.0.0.1"} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def test_an_upload_in_one_request_is_answered_as_if_it_were_none(
    draft: httpx.AsyncClient, kept: Look, settings: Settings
) -> None:
    """4.2.2: a whole upload is answered by what takes it in, at either address; the query holds its labels."""
    for path in (URL, FORM_URL):
        response = await draft.post(
            f"{path}?filename=M%C3%A9mo.wav&tag=Work&category=Meeting",
            content=WAV,
            headers={"Upload-Complete": "?1", "Content-Type": "audio/wav"},
        )
        row = await check_recording(kept, settings, response, WAV)
        assert (row["original_filename"], row["tag"], row["category"]) == ("Mémo.wav", "Work", "Meeting")
        assert (await draft.delete(f"/api/audio/{row['id']}")).status_code == 200


@pytest.mark.parametrize("path", [URL, FORM_URL])
async def test_an_upload_in_pieces_is_a_recording(
    draft: httpx.AsyncClient, kept: Look, settings: Settings, path: str
) -> None:
    """4.2.2 and 4.4.2: after ?0 there MUST be Location and Upload-Limit; the response to ?1 MUST have ?1."""
    response = await draft.post(
        path, content=WAV[:1000], headers={"Upload-Complete": "?0", "Content-Type": "audio/wav"}
    )
    assert response.status_code == 201, response.text
    assert limits(response)["max-size"] == settings.max_file_size_bytes
    address = response.headers["location"]
    middle = await append(draft, address, 1000, WAV[1000:HALF], complete=False)
    assert (middle.status_code, middle.headers["upload-complete"]) == (204, "?0")
    assert (await kept()).rows == []
    last = await append(draft, address, HALF, WAV[HALF:], complete=True)
    row = await check_recording(kept, settings, last, WAV)
    assert path_of(address) == f"{URL}/{row['id']}"
    assert last.headers["link"] == f'</api/audio/{row["id"]}>; rel="related"'


async def test_an_upload_may_begin_without_bytes_and_end_without(
    draft: httpx.AsyncClient, kept: Look, settings: Settings
) -> None:
    """4.4.1: a last request may bring nothing but the end."""
    address = await begin(draft)
    assert (await append(draft, address, 0, WAV, complete=False)).status_code == 204
    await check_recording(kept, settings, await append(draft, address, len(WAV), b"", complete=True), WAV)


async def test_a_length_that_is_reached_is_no_end(draft: httpx.AsyncClient, kept: Look, settings: Settings) -> None:
    """4.1.3: an upload with all its bytes is incomplete until its client says that it is complete."""
    address = await begin(draft, WAV, Upload_Length=str(len(WAV)))
    for _ in range(2):
        response = await draft.head(address)
        assert (response.headers["upload-offset"], response.headers["upload-complete"]) == (str(len(WAV)), "?0")
    assert (await kept()).rows == []
    await check_recording(kept, settings, await append(draft, address, len(WAV), b"", complete=True), WAV)


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_the_state_is_told(draft: httpx.AsyncClient, settings: Settings, method: str) -> None:
    """4.3.2: MUST include offset, completeness, length where it is known, and limits; no cache keeps it."""
    address = await begin(draft, WAV[:1000])
    response = await draft.request(method, address)
    assert (response.status_code, response.content) == (204, b"")
    assert (response.headers["upload-offset"], response.headers["upload-complete"]) == ("1000", "?0")
    assert response.headers["cache-control"] == "no-store"
    assert "upload-length" not in response.headers
    assert limits(response)["max-size"] == settings.max_file_size_bytes
    assert 86_000 < limits(response)["max-age"] <= 86_400
    await append(draft, address, 1000, WAV[1000:HALF], complete=False, Upload_Length=str(len(WAV)))
    assert (await draft.request(method, address)).headers["upload-length"] == str(len(WAV))
    await append(draft, address, HALF, WAV[HALF:], complete=True)
    response = await draft.request(method, address)
    assert (response.headers["upload-offset"], response.headers["upload-complete"]) == (str(len(WAV)), "?1")
    assert response.headers["upload-recording-id"] == address.rpartition("/")[2]


async def test_another_offset_is_refused(draft: httpx.AsyncClient) -> None:
    """4.4.2 and 7.1: MUST be 409 with Upload-Complete ?0 and the right Upload-Offset; the type has both offsets."""
    address = await begin(draft, WAV[:1000])
    response = await append(draft, address, 5000, WAV[5000:], complete=True)
    told = iana_problem(response, status=409, name="mismatching-upload-offset")
    assert (told["expected-offset"], told["provided-offset"]) == (1000, 5000)
    assert (response.headers["upload-offset"], response.headers["upload-complete"]) == ("1000", "?0")


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Offset": "a"},
        {"Upload-Offset": "-1"},
        {"Upload-Offset": "1.0"},
        {"Upload-Offset": "?1"},
        {"Upload-Offset": ""},
        {"Upload-Complete": "yes"},
        {"Upload-Complete": "1"},
        {"Upload-Complete": ""},
    ],
)
async def test_what_is_no_value_is_ignored(draft: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """4.1.1 and 4.1.2: other values MUST be ignored, so these are requests without a field that they need."""
    address = await begin(draft, WAV[:1000])
    fields = PARTIAL | {"Upload-Offset": "1000", "Upload-Complete": "?0"} | headers
    response = await draft.patch(address, content=WAV[1000:], headers=fields)
    assert problem(response, status=400, slug="upload-header-refused")["header"] in headers
    assert (await draft.head(address)).headers["upload-offset"] == "1000"


async def test_parameters_are_none_of_a_field_s_value(draft: httpx.AsyncClient) -> None:
    """4.1.1: the fields are Items of RFC 9651, which may have parameters; what is no length MUST be ignored."""
    address = await begin(draft, WAV[:1000], Upload_Length="many")
    fields = PARTIAL | {"Upload-Offset": "1000;unit=bytes", "Upload-Complete": "?0;why=not"}
    assert (await draft.patch(address, content=WAV[1000:HALF], headers=fields)).status_code == 204
    assert "upload-length" not in (await draft.head(address)).headers


async def test_lengths_have_to_match(draft: httpx.AsyncClient) -> None:
    """4.1.3 and 7.2: the lengths that one request or several indicate MUST match."""
    fields = {"Upload-Complete": "?1", "Upload-Length": "5"}
    response = await draft.post(URL, content=WAV, headers=fields)
    iana_problem(response, status=400, name="inconsistent-upload-length")
    assert response.headers["upload-complete"] == "?0"
    address = await begin(draft, WAV[:1000], Upload_Length=str(len(WAV)))
    for content, complete, length in ((WAV[1000:HALF], True, {}), (WAV[1000:HALF], False, {"Upload_Length": "2000"})):
        response = await append(draft, address, 1000, content, complete=complete, **length)
        iana_problem(response, status=400, name="inconsistent-upload-length")
        assert response.headers["upload-complete"] == "?0"
    assert (await draft.head(address)).headers["upload-offset"] == "1000"


@pytest.mark.parametrize("chunked", [False, True])
async def test_more_than_the_length_ends_an_upload(draft: httpx.AsyncClient, kept: Look, *, chunked: bool) -> None:
    """4.4.2: bytes beyond the length MUST be rejected, and the upload with them, whatever Content-Length says."""
    address = await begin(draft, WAV[:1000], Upload_Length="20000")

    async def pieces() -> Any:
        for start in range(1000, 60_000, 5000):
            yield WAV[start : start + 5000]

    fields = PARTIAL | {"Upload-Offset": "1000", "Upload-Complete": "?0"}
    response = await draft.patch(address, content=pieces() if chunked else WAV[1000:60_000], headers=fields)
    iana_problem(response, status=400, name="inconsistent-upload-length")
    assert (await draft.head(address)).status_code == 404
    assert (await kept()).files == set()


async def test_nothing_is_appended_to_what_is_complete(
    draft: httpx.AsyncClient, kept: Look, settings: Settings
) -> None:
    """4.1.2: no more can be appended; 4.4.2: the last request may come again, as its response may have been lost."""
    address = await begin(draft, WAV[:HALF])
    await append(draft, address, HALF, WAV[HALF:], complete=True)
    again = await append(draft, address, HALF, WAV[HALF:], complete=True)
    await check_recording(kept, settings, again, WAV)
    more = await append(draft, address, len(WAV), WAV, complete=True)
    iana_problem(more, status=409, name="mismatching-upload-offset")
    assert more.headers["upload-complete"] == "?0"
    unfinished = await append(draft, address, len(WAV), b"", complete=False)
    iana_problem(unfinished, status=400, name="completed-upload")
    await check_recording(kept, settings, again, WAV)


async def test_options_tell_the_limits(draft: httpx.AsyncClient, settings: Settings) -> None:
    """4.1.4: OPTIONS at what creates uploads MUST include Upload-Limit, whatever version the client speaks."""
    for path in (URL, FORM_URL):
        for headers in (NEWEST, {"Upload-Draft-Interop-Version": ""}):
            response = await draft.options(path, headers=headers)
            assert response.status_code == 204
            assert limits(response) == {"max-size": settings.max_file_size_bytes, "max-age": 86_400}


async def test_what_is_too_large_is_told_the_limit(draft: httpx.AsyncClient, settings: Settings) -> None:
    """4.1.4: 413 has Upload-Limit, by length or by bytes, also where the body isn't read."""
    too_many = settings.max_file_size_bytes + 1
    address = await begin(draft, WAV[:1000])
    for response in (
        await draft.post(URL, headers={"Upload-Complete": "?0", "Upload-Length": str(too_many)}),
        await draft.post(URL, content=bytes(too_many), headers={"Upload-Complete": "?1"}),
        await append(draft, address, 1000, bytes(too_many), complete=False),
        await append(draft, address, 1000, bytes(too_many - 1000), complete=False),
    ):
        problem(response, status=413, slug="upload-too-large")
        assert limits(response)["max-size"] == settings.max_file_size_bytes
        assert response.headers["upload-complete"] == "?0"


async def test_an_upload_is_cancelled(draft: httpx.AsyncClient, kept: Look) -> None:
    """4.5.2: after DELETE nothing of it is there, and each further request is 404, as for what never was."""
    address = await begin(draft, WAV[:HALF])
    assert (await draft.delete(address)).status_code == 204
    for gone in (address, f"{URL}/{uuid4()}", f"{URL}/none"):
        assert (await draft.head(gone)).status_code == 404
        problem(await append(draft, gone, HALF, WAV[HALF:], complete=True), status=404, slug="upload-missing")
        problem(await draft.delete(gone), status=404, slug="upload-missing")
    assert (await kept()).files == set()


async def test_a_digest_of_the_whole_is_checked_at_the_end(
    draft: httpx.AsyncClient, kept: Look, settings: Settings
) -> None:
    """10.1: an upload whose Repr-Digest doesn't match has failed, and nothing of it stays."""
    for algorithm in ("sha-256", "sha-512"):
        address = await begin(draft, WAV[:HALF], Repr_Digest=repr_digest(WAV + b"x", algorithm))
        wrong = await append(draft, address, HALF, WAV[HALF:], complete=True)
        problem(wrong, status=400, slug="upload-digest-wrong")
        assert wrong.headers["upload-complete"] == "?1"
        assert (await draft.head(address)).status_code == 404
        assert ((await kept()).files, (await kept()).rows) == (set(), [])
    both = f"{repr_digest(WAV)}, {repr_digest(WAV, 'sha-512')}, unixsum=:AAAA:"
    address = await begin(draft, WAV[:HALF], Repr_Digest=both)
    await check_recording(kept, settings, await append(draft, address, HALF, WAV[HALF:], complete=True), WAV)


async def test_a_digest_may_come_with_the_end(draft: httpx.AsyncClient, kept: Look, settings: Settings) -> None:
    """10.1: who learns the digest of a stream at its end sends it then."""
    for content, status in ((WAV + b"x", 400), (WAV, 200)):
        address = await begin(draft, WAV[:HALF])
        digest = repr_digest(content)
        response = await append(draft, address, HALF, WAV[HALF:], complete=True, Repr_Digest=digest)
        assert response.status_code == status
    await check_recording(kept, settings, response, WAV)


async def test_a_digest_of_a_body_is_checked(draft: httpx.AsyncClient, kept: Look, settings: Settings) -> None:
    """10.2: content that doesn't have its Content-Digest isn't appended, and the upload goes on where it was."""
    address = await begin(draft, WAV[:HALF])
    for content in (WAV, b""):
        wrong = await append(draft, address, HALF, WAV[HALF:], complete=True, Content_Digest=repr_digest(content))
        problem(wrong, status=400, slug="digest-mismatch")
        assert wrong.headers["upload-complete"] == "?0"
        assert (await draft.head(address)).headers["upload-offset"] == str(HALF)
    malformed = await append(draft, address, HALF, WAV[HALF:], complete=True, Content_Digest="sha-256=abc")
    problem(malformed, status=400, slug="digest-malformed")
    right = await append(draft, address, HALF, WAV[HALF:], complete=True, Content_Digest=repr_digest(WAV[HALF:]))
    await check_recording(kept, settings, right, WAV)


async def test_what_is_no_audio_is_refused_for_good(draft: httpx.AsyncClient, kept: Look, run_sql: RunSql) -> None:
    """4.1.2: a response of what takes the recording in has ?1, so nobody tries to resume; nothing stays."""
    address = await begin(draft, TEXT[:100])
    for response, slug, status in (
        (await draft.post(URL, content=TEXT, headers={"Upload-Complete": "?1"}), "not-audio", 415),
        (await append(draft, address, 100, TEXT[100:], complete=False), "not-audio", 415),
        (await draft.post(URL, headers={"Upload-Complete": "?1"}), "upload-empty", 422),
    ):
        problem(response, status=status, slug=slug)
        assert response.headers["upload-complete"] == "?1"
    assert (await kept()).files == set()
    assert await run_sql("SELECT * FROM pegasus_system.uploads") == []


async def test_what_is_said_of_a_recording_is_checked(draft: httpx.AsyncClient) -> None:
    """13: metadata MUST be validated: what the form refuses is refused here, before a byte is read."""
    for query, slug in (("tag=" + "a" * 101, "label-too-long"), ("category=%07", "label-unprintable")):
        response = await draft.post(f"{URL}?{query}", content=WAV, headers={"Upload-Complete": "?1"})
        problem(response, status=422, slug=slug)


async def test_a_name_comes_by_any_of_three_fields(draft: httpx.AsyncClient, run_sql: RunSql) -> None:
    """4.2.1: Content-Disposition names the file; so may the query, or Upload-Metadata as in tus."""
    extended = "inline; filename=\"file name.wav\"; filename*=UTF-8''M%C3%A9mo%20%F0%9F%8E%99.wav"
    for query, headers, name in (
        ("", {"Content-Disposition": 'inline; filename="file name.wav"'}, "file name.wav"),
        ("", {"Content-Disposition": extended}, "Mémo 🎙.wav"),
        ("?filename=query.wav", {"Content-Disposition": extended}, "query.wav"),
        ("", {"Upload-Metadata": metadata(filename="meta.wav", tag="Work")}, "meta.wav"),
    ):
        address = await begin_with(draft, URL + query, headers)
        [row] = await run_sql(f"SELECT * FROM pegasus_system.uploads WHERE id = '{address.rpartition('/')[2]}'")
        assert row["file_name"] == name


async def begin_with(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> str:
    """Begins an upload without bytes, and returns its address."""
    response = await client.post(path, headers={"Upload-Complete": "?0", **headers})
    assert response.status_code == 201, response.text
    return response.headers["location"]


async def test_a_form_can_t_be_resumed(draft: httpx.AsyncClient, kept: Look) -> None:
    """4.2.2: a form that is whole is an upload as ever; one in pieces is refused in a sentence."""
    files = {"file": ("memo.wav", WAV)}
    whole = await draft.post(FORM_URL, files=files, headers={"Upload-Complete": "?1"})
    assert (whole.status_code, "upload-complete" in whole.headers) == (200, False)
    pieces = await draft.post(FORM_URL, files=files, headers={"Upload-Complete": "?0"})
    problem(pieces, status=415, slug="form-not-resumable")
    assert len((await kept()).rows) == 1


async def test_without_a_version_there_is_no_interim_response(server: str) -> None:
    """B: a 104 MUST NOT be sent where the request names no version or one that isn't served; the upload is."""
    for version in ({}, {"Upload_Draft_Interop_Version": "2"}, {"Upload_Draft_Interop_Version": "99"}):
        async with wire(server) as client:
            await client.send(request("POST", URL, Content_Length="4", Upload_Complete="?0", **version), WAV[:4])
            status, headers, _ = await client.answer()
            assert (status, headers["upload-complete"], headers["upload-offset"]) == (201, "?0", "4")
            assert "upload-draft-interop-version" not in headers


@pytest.mark.parametrize("version", [3, 4, 5, 6, 7, 8, 9, 10])
@pytest.mark.parametrize("path", [URL, FORM_URL])
async def test_an_interim_response_comes_before_the_body(
    server: str, kept: Look, settings: Settings, path: str, version: int
) -> None:
    """4.2.2 and B: 104 MUST have Location, Upload-Limit and the version, and comes while the body still does.

    All responses MUST have the same Location.
    """
    incomplete = {"Upload_Incomplete": "?0"} if version == 3 else {"Upload_Complete": "?1"}
    fields = incomplete | {"Upload_Draft_Interop_Version": str(version), "Content_Type": "audio/wav"}
    async with wire(server) as client:
        await client.send(request("POST", path, Content_Length=str(len(WAV)), **fields), WAV[:1000])
        status, headers, _ = await client.answer()
        assert (status, headers["upload-draft-interop-version"]) == (104, str(version))
        assert headers["upload-limit"].startswith(f"max-size={settings.max_file_size_bytes}, ")
        await client.send(WAV[1000:])
        final, more, _ = await client.answer()
    assert (final, more["location"]) == (200, headers["location"])
    [row] = (await kept()).rows
    assert headers["location"] == f"http://127.0.0.1{URL}/{row['id']}"
    assert Stored(settings).read(row["file_path"]) == WAV


async def test_http_1_0_has_no_interim_response(server: str, kept: Look) -> None:
    """RFC 9110, 15.2: a client of HTTP/1.0 is sent no 1xx; its upload goes through."""
    async with wire(server) as client:
        fields = {"Upload_Complete": "?1", "Upload_Draft_Interop_Version": "10", "Content_Length": str(len(WAV))}
        await client.send(request("POST", URL, version="1.0", **fields), WAV)
        assert (await client.answer())[0] == 200
    assert len((await kept()).rows) == 1


async def test_100_is_sent_besides_104(server: str) -> None:
    """5: the server MUST NOT omit 100 because it has sent 104."""
    fields = {"Upload_Complete": "?0", "Upload_Draft_Interop_Version": "10", "Expect": "100-continue"}
    async with wire(server) as client:
        await client.send(request("POST", URL, Content_Length="1000", **fields))
        assert [(await client.answer())[0], (await client.answer())[0]] == [104, 100]
        await client.send(WAV[:1000])
        assert (await client.answer())[0] == 201


async def test_a_refusal_comes_without_104(server: str) -> None:
    """4.2.2: where no upload is created there is nothing to resume."""
    fields = {"Upload_Complete": "?1", "Upload_Draft_Interop_Version": "10", "Upload_Length": "7"}
    async with wire(server) as client:
        await client.send(request("POST", URL, Content_Length="4", **fields), b"abcd")
        assert (await client.answer())[0] == 400


async def test_tus_goes_on_with_an_upload_of_the_draft(client: httpx.AsyncClient, kept: Look) -> None:
    """An upload is the same by either protocol: each request goes by the rules of its own."""
    tus = {"Tus-Resumable": "1.0.0"}
    client.headers.update(NEWEST)
    address = await begin(client, WAV[:1000], Upload_Length=str(len(WAV)))
    del client.headers["Upload-Draft-Interop-Version"]
    state = await client.head(address, headers=tus)
    assert (state.status_code, state.headers["upload-offset"], state.headers["upload-length"]) == (
        200, "1000", str(len(WAV)),
    )  # fmt: skip
    assert "upload-complete" not in state.headers
    fields = tus | {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "1000"}
    response = await client.patch(address, content=WAV[1000:], headers=fields)
    assert (response.status_code, "upload-recording-id" in response.headers) == (204, True)
    assert len((await kept()).rows) == 1
    created = await client.post(URL, headers=tus | {"Upload-Length": str(len(WAV))})
    address = created.headers["location"]
    assert (await append(client, address, 0, WAV, complete=True)).status_code == 200
    assert len((await kept()).rows) == 2


async def test_an_upload_of_the_draft_expires(draft: httpx.AsyncClient, run_sql: RunSql) -> None:
    """4.1.4: after max-age an upload is gone."""
    address = await begin(draft, WAV[:1000])
    await run_sql("UPDATE pegasus_system.uploads SET expires_at = now() - interval '1 second'")
    assert (await draft.head(address)).status_code == 404
    problem(await append(draft, address, 1000, WAV[1000:], complete=True), status=404, slug="upload-missing")


async def test_a_stalled_request_is_taken_over(server: str) -> None:
    """4.6: a new request ends the one before, and the offset that it tells MUST be accepted."""
    fields = {"Upload_Complete": "?1", "Upload_Draft_Interop_Version": "10", "Content_Length": str(len(WAV))}
    async with wire(server) as stalled, httpx.AsyncClient(base_url=server, headers=NEWEST) as client:
        await stalled.send(request("POST", URL, **fields), WAV[:50_000])
        status, headers, _ = await stalled.answer()
        assert status == 104
        address = path_of(headers["location"])
        offset = int((await client.head(address)).headers["upload-offset"])
        assert offset <= 50_000
        assert (await append(client, address, offset, WAV[offset:], complete=True)).status_code == 200
        assert await _final(stalled) == 400


async def _final(client: Wire) -> int:
    status = 104
    while status == 104:
        status, _, _ = await client.answer()
    return status


async def test_of_many_appends_at_once_bytes_come_once(server: str, kept: Look, settings: Settings) -> None:
    """4.6: concurrent appends MUST NOT lose or corrupt anything: ten clients make one whole recording."""
    async with httpx.AsyncClient(base_url=server, headers=NEWEST, timeout=60) as client:
        address = await begin(client, Upload_Length=str(len(WAV)))

        async def go_on() -> None:
            while (state := await client.head(address)).headers["upload-complete"] == "?0":
                offset = int(state.headers["upload-offset"])
                stop = min(offset + 40_000, len(WAV))
                response = await append(client, address, offset, WAV[offset:stop], complete=stop == len(WAV))
                assert response.status_code in {200, 204, 400, 409, 423}, response.text

        await asyncio.gather(*(go_on() for _ in range(10)))
    [row] = (await kept()).rows
    assert Stored(settings).read(row["file_path"]) == WAV
