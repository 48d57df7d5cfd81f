"""Downloads: the same bytes, whole, in ranges, or not again."""

import httpx
import pytest
from starlette.datastructures import Headers

from api.protocols.download import content_disposition
from api.protocols.ranges import RangeNotSatisfiable, Span, is_current, requested_span
from core.settings import Settings
from tests.api.conftest import Look, Upload, problem
from tests.audio.samples import recording
from tests.stored import Stored

CONTENT = recording("wav")
SIZE = len(CONTENT)


@pytest.fixture
def client(far_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Everything here holds over a real socket, whichever way the bytes take."""
    return far_client


@pytest.fixture
async def url(upload: Upload) -> str:
    """Where an uploaded recording is downloaded."""
    return f"/api/audio/{(await upload())['id']}/download"


async def test_the_bytes_come_back(client: httpx.AsyncClient, url: str) -> None:
    """A download is byte by byte what was uploaded, as a file to save and nothing a browser would run."""
    answer = await client.get(url)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["content-disposition"] == 'attachment; filename="memo.wav"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")


async def test_what_keeps_a_download_from_beginning_is_told(
    client: httpx.AsyncClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that have gone since the file was opened are a problem of their own, as long as nothing was sent."""
    with monkeypatch.context() as patch:
        patch.setattr("os.pread", lambda *_: b"")
        problem(await client.get(url), status=404, slug="bytes-missing")
    assert (await client.get(url)).content == CONTENT


async def test_head_tells_what_get_sends(client: httpx.AsyncClient, url: str) -> None:
    """HEAD has GET's headers and no body; it knows no ranges."""
    head, get = await client.head(url, headers={"Range": "bytes=0-1"}), await client.get(url)
    own = {"x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in get.headers.items() if k not in own
    }
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, SIZE),
        ("bytes=100-199", 100, 200),
        ("bytes=-10", SIZE - 10, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        ("bytes=10-999999999", 10, SIZE),
        ("bytes=-999999999", 0, SIZE),
        ("Bytes = 5-6", 5, 7),
    ],
)
async def test_a_range_is_sent(client: httpx.AsyncClient, url: str, asked: str, start: int, stop: int) -> None:
    """A single range is answered by exactly those bytes."""
    answer = await client.get(url, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:stop]
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("asked", ["bytes=2-1", "bytes=-", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4", "bytes 0-1", ""])
async def test_other_ranges_are_ignored(client: httpx.AsyncClient, url: str, asked: str) -> None:
    """What isn't a single range of bytes is answered by all of them (RFC 9110, 14.2)."""
    answer = await client.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=999999999-", "bytes=-0"])
async def test_a_range_behind_the_end_is_refused(client: httpx.AsyncClient, url: str, asked: str) -> None:
    """A range without any byte is refused with the size."""
    answer = await client.get(url, headers={"Range": asked})
    told = problem(answer, status=416, slug="range-not-satisfiable")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert told["size_bytes"] == SIZE


async def test_a_good_copy_is_not_sent_again(client: httpx.AsyncClient, url: str) -> None:
    """Who has the bytes already is told so, even when asking for a range."""
    etag = (await client.get(url)).headers["etag"]
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await client.get(url, headers={"If-None-Match": given, "Range": "bytes=0-1"})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await client.get(url, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_if_range_guards_a_range(client: httpx.AsyncClient, url: str) -> None:
    """A range of other bytes than the client began with is answered by all of the new ones."""
    etag = (await client.get(url)).headers["etag"]
    for given, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200), ("Mon, 23 Nov 2026 10:00:00 GMT", 200)):
        answer = await client.get(url, headers={"If-Range": given, "Range": "bytes=0-1"})
        assert answer.status_code == status, given


async def test_if_match_guards_a_download(client: httpx.AsyncClient, url: str) -> None:
    """A client that goes on with other bytes than it began with is refused (RFC 9110, 13.1.1)."""
    etag = (await client.get(url)).headers["etag"]
    for given, status in ((etag, 206), (f'"other", {etag}', 206), ("*", 206), ('"other"', 412), (f"W/{etag}", 412)):
        answer = await client.get(url, headers={"If-Match": given, "Range": "bytes=0-1"})
        assert answer.status_code == status, given
    problem(await client.get(url, headers={"If-Match": '"other"'}), status=412, slug="precondition-failed")


async def test_lost_bytes_are_told(client: httpx.AsyncClient, upload: Upload, kept: Look, settings: Settings) -> None:
    """A row whose bytes were lost says so."""
    told = await upload()
    Stored(settings).remove((await kept()).rows[0]["file_path"])
    problem(await client.get(f"/api/audio/{told['id']}/download"), status=404, slug="bytes-missing")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("memo.wav", 'attachment; filename="memo.wav"'),
        ("Mémo 🎙.wav", "attachment; filename=\"M_mo _.wav\"; filename*=UTF-8''M%C3%A9mo%20%F0%9F%8E%99.wav"),
        ('a"b.wav', "attachment; filename=\"a_b.wav\"; filename*=UTF-8''a%22b.wav"),
        ("100%41.wav", "attachment; filename=\"100_41.wav\"; filename*=UTF-8''100%2541.wav"),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("C:\\x\\memo.wav", 'attachment; filename="memo.wav"'),
        ("a\r\nSet-Cookie: x", 'attachment; filename="aSet-Cookie: x"'),
        ("/", 'attachment; filename="recording"'),
    ],
)
def test_a_file_is_saved_under_its_name(name: str, told: str) -> None:
    """The name is told so that every browser understands it, and none of it is a header or a path of its own."""
    assert content_disposition(name) == told


def test_an_empty_file_has_no_range() -> None:
    """No range of nothing can be sent."""
    with pytest.raises(RangeNotSatisfiable):
        requested_span(Headers({"range": "bytes=0-"}), etag='"x"', size_bytes=0)


def test_conditions_are_asked_apart() -> None:
    """Without a condition, all bytes are sent."""
    assert not is_current(Headers({}), etag='"x"')
    assert requested_span(Headers({}), etag='"x"', size_bytes=5) is None
    assert requested_span(Headers({"range": "bytes=1-2"}), etag='"x"', size_bytes=5) == Span(1, 3)
