"""Resumable uploads by every version of the IETF's draft that clients speak, from iOS 17's on."""

import httpx
import pytest

from tests.api.conftest import Look, problem
from tests.api.uploads.test_rufh import TEXT, URL, WAV, iana_problem, limits

VERSIONS = range(3, 11)
HALF = len(WAV) // 2


class Speaker:
    """A client that speaks one version: its fields, and what the answers to them hold."""

    def __init__(self, client: httpx.AsyncClient, version: int) -> None:
        self.client = client
        self.version = version
        client.headers["Upload-Draft-Interop-Version"] = str(version)

    def completeness(self, *, complete: bool) -> dict[str, str]:
        """The field that says whether the upload ends."""
        if self.version == 3:
            return {"Upload-Incomplete": "?0" if complete else "?1"}
        return {"Upload-Complete": "?1" if complete else "?0"}

    def is_complete(self, response: httpx.Response) -> bool:
        """What a response says of it, in this version's field alone."""
        assert ("upload-incomplete" in response.headers) == (self.version == 3)
        assert ("upload-complete" in response.headers) == (self.version != 3)
        assert response.headers["upload-draft-interop-version"] == str(self.version)
        return self.completeness(complete=True).items() <= {
            (name.title(), value) for name, value in response.headers.items()
        }

    async def begin(self, content: bytes = b"") -> str:
        """Begins an upload that goes on, and returns its address."""
        response = await self.client.post(URL, content=content, headers=self.completeness(complete=False))
        assert (response.status_code, self.is_complete(response)) == (201, False)
        assert response.headers["upload-offset"] == str(len(content))
        return response.headers["location"]

    async def append(
        self, address: str, offset: int, content: bytes, *, complete: bool | None, media_type: str | None = None
    ) -> httpx.Response:
        """Appends bytes, with the media type that the version has for them."""
        if media_type is None and self.version >= 6:
            media_type = "application/partial-upload"
        fields = {"Upload-Offset": str(offset)} | ({"Content-Type": media_type} if media_type else {})
        if complete is not None:
            fields |= self.completeness(complete=complete)
        return await self.client.patch(address, content=content, headers=fields)


@pytest.fixture(params=VERSIONS)
async def speaker(request: pytest.FixtureRequest, client: httpx.AsyncClient) -> Speaker:
    """A client of each version."""
    return Speaker(client, request.param)


async def test_each_version_uploads_and_resumes(speaker: Speaker, kept: Look) -> None:
    """Created, asked, gone on with, ended; statuses are those that the version prescribes."""
    address = await speaker.begin(WAV[:1000])
    middle = await speaker.append(address, 1000, WAV[1000:HALF], complete=False)
    assert (middle.status_code, speaker.is_complete(middle)) == (201 if speaker.version <= 6 else 204, False)
    assert middle.headers["upload-offset"] == str(HALF)
    state = await speaker.client.head(address)
    assert (state.status_code, speaker.is_complete(state)) == (204, False)
    last = await speaker.append(address, HALF, WAV[HALF:], complete=True)
    assert (last.status_code, speaker.is_complete(last)) == (200, True)
    state = await speaker.client.head(address)
    assert (state.status_code, speaker.is_complete(state)) == (204, True)
    assert state.headers["upload-offset"] == str(len(WAV))
    assert len((await kept()).rows) == 1


async def test_errors_have_the_version_s_field(speaker: Speaker) -> None:
    """What resuming can mend says incomplete; what the recording itself is refused for says complete."""
    address = await speaker.begin(WAV[:1000])
    conflict = await speaker.append(address, 5, WAV, complete=True)
    iana_problem(conflict, status=409, name="mismatching-upload-offset")
    assert (conflict.headers["upload-offset"], speaker.is_complete(conflict)) == ("1000", False)
    refused = await speaker.client.post(URL, content=TEXT, headers=speaker.completeness(complete=True))
    problem(refused, status=415, slug="not-audio")
    assert speaker.is_complete(refused)


async def test_the_media_type_of_an_append(speaker: Speaker) -> None:
    """Since draft -04 (version 6) appended bytes MUST be application/partial-upload; before, any type does."""
    address = await speaker.begin(WAV[:1000])
    response = await speaker.append(address, 1000, WAV[1000:HALF], complete=False, media_type="audio/wav")
    if speaker.version < 6:
        assert response.status_code == 201
    else:
        problem(response, status=415, slug="not-upload-bytes")
        assert "application/partial-upload" in response.json()["detail"]


async def test_an_append_that_says_nothing_of_its_end(speaker: Speaker) -> None:
    """Until draft -05 (version 6) it is the end; since then Upload-Complete MUST be there."""
    address = await speaker.begin(WAV[:1000])
    response = await speaker.append(address, 1000, WAV[1000:], complete=None)
    if speaker.version <= 6:
        assert (response.status_code, speaker.is_complete(response)) == (200, True)
    else:
        problem(response, status=400, slug="upload-header-refused")


@pytest.mark.parametrize("method", ["HEAD", "DELETE"])
async def test_fields_of_bytes_where_there_are_none(speaker: Speaker, method: str) -> None:
    """Until draft -05 (version 6) HEAD and DELETE with them MUST be 400; later drafts don't say so."""
    address = await speaker.begin(WAV[:1000])
    for fields in ({"Upload-Offset": "0"}, speaker.completeness(complete=True)):
        response = await speaker.client.request(method, address, headers=fields)
        assert response.status_code == (400 if speaker.version <= 6 else 204)
        if response.status_code == 204 and method == "DELETE":
            return
    assert (await speaker.client.head(address)).status_code == 204


async def test_the_last_append_again(speaker: Speaker) -> None:
    """Drafts -04 to -11 (6 to 8) have it refused as completed-upload; the others leave it to the server: it is told."""
    address = await speaker.begin(WAV[:HALF])
    await speaker.append(address, HALF, WAV[HALF:], complete=True)
    again = await speaker.append(address, HALF, WAV[HALF:], complete=True)
    if speaker.version in {6, 7, 8}:
        iana_problem(again, status=400, name="completed-upload")
        assert not speaker.is_complete(again)
    else:
        assert (again.status_code, speaker.is_complete(again)) == (200, True)


async def test_how_long_an_upload_lives(speaker: Speaker) -> None:
    """Upload-Limit says it as `expires` in version 6, and as `max-age` since."""
    state = await speaker.client.head(await speaker.begin(WAV[:1000]))
    assert set(limits(state)) == {"max-size", "expires" if speaker.version == 6 else "max-age"}


async def test_the_draft_says_nothing_to_tus(client: httpx.AsyncClient) -> None:
    """A request with Tus-Resumable is tus's, whatever else it has; one with neither is refused as ever."""
    fields = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Complete": "?1"}
    response = await client.post(URL, headers=fields | {"Upload-Draft-Interop-Version": "10"})
    assert (response.status_code, response.headers["tus-resumable"]) == (201, "1.0.0")
    assert not {"upload-complete", "upload-limit", "upload-draft-interop-version"} & set(response.headers)
    assert (await client.head(response.headers["location"])).status_code == 412
    draft = await client.head(response.headers["location"], headers={"Upload-Draft-Interop-Version": "10"})
    assert (draft.status_code, "tus-resumable" in draft.headers) == (204, False)


async def test_what_creates_says_whether_it_ends(client: httpx.AsyncClient) -> None:
    """Where nothing but resumable uploads is created, one that doesn't say whether it ends is refused."""
    for version, field in (("3", "Upload-Incomplete"), ("10", "Upload-Complete")):
        response = await client.post(URL, content=WAV, headers={"Upload-Draft-Interop-Version": version})
        assert problem(response, status=400, slug="upload-header-refused")["header"] == field
