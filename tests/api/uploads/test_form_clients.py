"""Forms as real programs write them: names and labels come in, or the refusal says what is wrong."""

import base64
import gzip
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import pytest

from tests.api.conftest import Look, problem
from tests.audio.samples import recording

URL = "/api/audio/upload"
WAV = recording("wav")
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
ARABIC, EMOJI, NFD = "مذكرة صوتية.wav", "🎙️ memo.wav", "Me\u0301mo.wav"


def part(*headers: str, content: bytes = WAV) -> bytes:
    """A part with these headers, as they stand on the wire."""
    return b"--b\r\n" + "".join(f"{header}\r\n" for header in headers).encode() + b"\r\n" + content + b"\r\n"


def file(parameters: str, *headers: str, content: bytes = WAV) -> bytes:
    """The part of the file, with these parameters behind its name."""
    return part(f'Content-Disposition: form-data; name="file"; {parameters}', *headers, content=content)


async def post(client: httpx.AsyncClient, *parts: bytes, before: bytes = b"") -> httpx.Response:
    return await client.post(URL, content=before + b"".join(parts) + b"--b--\r\n", headers=FORM)


def encoded_word(text: str, *, charset: str = "utf-8") -> str:
    return f"=?{charset}?B?{base64.b64encode(text.encode(charset)).decode()}?="


@pytest.fixture
def client(far_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Everything here holds over a real socket, whichever way the bytes take."""
    return far_client


NAMES = [
    ("filename*=UTF-8''M%C3%A9mo.wav", "Mémo.wav"),  # urllib3 1, Python's email
    ("filename=\"M?mo.wav\"; filename*=UTF-8''M%C3%A9mo.wav", "Mémo.wav"),
    ("filename*=utf-8'de'M%C3%A9mo.wav; filename=\"M?mo.wav\"", "Mémo.wav"),
    ('filename="M?mo.wav"; filename*="UTF-8\'\'M%C3%A9mo.wav"', "Mémo.wav"),  # Apache HttpClient 5
    ("filename*=iso-8859-1''M%E9mo.wav", "Mémo.wav"),
    ("filename=\"plain.wav\"; filename*=no-charset''M%E9mo.wav", "plain.wav"),
    ("filename=\"plain.wav\"; filename*=utf-8''%ff.wav", "plain.wav"),
    ('filename="plain.wav"; filename*=a; filename*0=b', "plain.wav"),
    ("filename=\"a; filename*=utf-8''b.wav\"", "a; filename*=utf-8''b.wav"),
    (f'filename="{encoded_word(ARABIC)}"', ARABIC),
    (f"filename=\"{encoded_word(EMOJI)}\"; filename*=utf-8''%F0%9F%8E%99%EF%B8%8F%20memo.wav", EMOJI),  # .NET
    ('filename="=?iso-8859-1?Q?M=E9mo.wav?="', "Mémo.wav"),
    ('filename="=?no-charset?Q?M=E9mo.wav?="', "=?no-charset?Q?M=E9mo.wav?="),
    ('filename="=?utf-8?B?***?="', "=?utf-8?B?***?="),
    (f'filename="{ARABIC}"', ARABIC),
    (f'filename="{NFD}"', "Mémo.wav"),
    ('filename="M%C3%A9mo.wav"', "Mémo.wav"),  # aiohttp
    ('filename="50 % of it %C3.wav"', "50 % of it %C3.wav"),
    ('filename="my %22memo%22.wav"', 'my "memo".wav'),  # browsers
    (r'filename="my \"memo\".wav"', 'my "memo".wav'),
    ("filename=memo.wav", "memo.wav"),
    (r'filename="C:\fakepath\memo.wav"', "memo.wav"),
    (r'filename="recordings\memo.wav"', "memo.wav"),
    ('filename="../../memo.wav"', "memo.wav"),
    ("filename*=utf-8''%2Fetc%2Fmemo.wav", "memo.wav"),
    ('filename=".."', None),
]


async def test_names_come_in(client: httpx.AsyncClient) -> None:
    """However a client writes the file's name, it is the file's name."""
    for parameters, name in NAMES:
        answer = await post(client, file(parameters))
        assert (answer.status_code, answer.json().get("original_filename")) == (200, name), (parameters, answer.text)


async def test_names_of_aiohttp_come_back(server: str) -> None:
    """Aiohttp writes names and labels in its own way; they come back."""
    async with aiohttp.ClientSession() as session:
        for name in (ARABIC, EMOJI, 'my "memo".wav', "my memo.wav"):
            form = aiohttp.FormData()
            form.add_field("tag", "Arbeit für später")
            form.add_field("file", WAV, filename=name)
            async with session.post(f"{server}{URL}", data=form) as answer:
                told = await answer.json()
                assert (answer.status, told["original_filename"], told["tag"]) == (200, name, "Arbeit für später")


async def test_the_field_may_have_another_name(client: httpx.AsyncClient) -> None:
    """Whatever of the usual names the field of the file bears, the recording comes in."""
    for field in ("file", "audio", "recording", "file[]"):
        answer = await post(client, part(f'Content-Disposition: form-data; name="{field}"; filename="memo.wav"'))
        assert (answer.status_code, answer.json().get("original_filename")) == (200, "memo.wav"), answer.text
        bare = part(f'Content-Disposition: form-data; name="{field}"', "Content-Type: application/octet-stream")
        assert (await post(client, bare)).status_code == 200


async def test_a_text_may_be_called_like_a_file(client: httpx.AsyncClient) -> None:
    """A text called `recording` is a text, beside the file."""
    text = part('Content-Disposition: form-data; name="recording"', content=b"1")
    assert (await post(client, text, file('filename="memo.wav"'), text)).status_code == 200


async def test_another_field_is_refused_with_advice(client: httpx.AsyncClient) -> None:
    """A file in a field that is none of those is refused, and the refusal says where it belongs."""
    answer = await post(client, part('Content-Disposition: form-data; name="blob"; filename="memo.wav"'))
    told = problem(answer, status=400, slug="form-malformed")
    assert told["detail"].endswith("it brings a file in the field blob; put the recording in the field file.")
    answer = await post(client, part('Content-Disposition: form-data; name="blob"'))
    problem(answer, status=400, slug="form-limit-passed")
    told = problem(await post(client), status=422, slug="file-missing")
    assert told["detail"] == "The form has no file: put the recording in the field file."


async def test_no_file_chosen_is_told(client: httpx.AsyncClient, kept: Look) -> None:
    """A form that was sent before a file was chosen is refused as that."""
    for headers in [('filename=""', "Content-Type: application/octet-stream"), ("x=y",)]:
        told = problem(await post(client, file(*headers, content=b"")), status=422, slug="file-missing")
        assert told["detail"].startswith("No file was chosen")
    assert (await kept()).rows == []


async def test_of_two_fields_one_may_stay_empty(client: httpx.AsyncClient) -> None:
    """Where a page has two fields for files, and one was chosen, that one is the recording."""
    empty = part('Content-Disposition: form-data; name="audio"; filename=""', content=b"")
    for parts in ([empty, file('filename="memo.wav"')], [file('filename="memo.wav"'), empty]):
        answer = await post(client, *parts)
        assert (answer.status_code, answer.json().get("original_filename")) == (200, "memo.wav"), answer.text
    unnamed = part('Content-Disposition: form-data; name="audio"; filename=""')
    problem(await post(client, file('filename="memo.wav"'), unnamed), status=400, slug="form-limit-passed")


async def test_twenty_fields_of_others_are_ignored(client: httpx.AsyncClient) -> None:
    """Metadata that means nothing here is no reason to refuse a recording."""
    fields = [part(f'Content-Disposition: form-data; name="meta[{at}]"', content=b"{}") for at in range(20)]
    tag = part('Content-Disposition: form-data; name="tag"', content=b"Work")
    answer = await post(client, *fields, file('filename="memo.wav"'), tag)
    assert (answer.status_code, answer.json().get("tag")) == (200, "Work"), answer.text


TEXTS = [
    (("Content-Type: text/plain; charset=utf-8",), "Größe"),
    (('Content-Type: text/plain; charset="ISO-8859-1"',), "Größe"),  # Apache HttpClient
    (("Content-Type: text/plain; charset=windows-1256",), "عمل"),
    (("Content-Type: text/plain; charset=Shift_JIS", "Content-Transfer-Encoding: 8bit"), "会議"),
    (("Content-Type: text/plain; charset=UTF-16LE",), "Größe"),
]


async def test_a_text_comes_in_its_own_charset(client: httpx.AsyncClient) -> None:
    """The charset that a part names counts for its text."""
    for headers, content in TEXTS:
        charset = headers[0].partition("charset=")[2].strip('"')
        tag = part('Content-Disposition: form-data; name="tag"', *headers, content=content.encode(charset))
        answer = await post(client, tag, file('filename="memo.wav"'))
        assert (answer.status_code, answer.json().get("tag")) == (200, content), answer.text


async def test_a_form_may_name_the_charset_of_all_texts(client: httpx.AsyncClient) -> None:
    """The field `_charset_`, as browsers fill it in, counts for the texts behind it."""
    charset = part('Content-Disposition: form-data; name="_charset_"', content=b"iso-8859-1")
    tag = part('Content-Disposition: form-data; name="tag"', content="Größe".encode("iso-8859-1"))
    answer = await post(client, charset, tag, file('filename="memo.wav"'))
    assert (answer.status_code, answer.json().get("tag")) == (200, "Größe"), answer.text


async def test_a_preamble_is_ignored(client: httpx.AsyncClient) -> None:
    """What stands before the first boundary means nothing, as in a mail."""
    for before in (b"This is a multi-part message in MIME format.\r\n", b"\r\n", b"a -\r\n--\r\n--not b\r\n"):
        answer = await post(client, file('filename="memo.wav"'), before=before)
        assert answer.status_code == 200, answer.text


async def test_an_attachment_is_taken(client: httpx.AsyncClient) -> None:
    """A part may be called an attachment, as long as it has a name."""
    answer = await post(client, part('Content-Disposition: attachment; name="file"; filename="memo.wav"'))
    assert (answer.status_code, answer.json().get("original_filename")) == (200, "memo.wav"), answer.text


def coded(coding: str, encode: Callable[[bytes], bytes]) -> bytes:
    return file('filename="memo.wav"', coding, content=encode(WAV))


REFUSED: dict[str, tuple[bytes, int, str, str]] = {
    "base64": (
        coded("Content-Transfer-Encoding: base64", base64.encodebytes),
        415, "content-encoded", "The Content-Transfer-Encoding base64 isn't undone here",
    ),
    "gzip": (
        coded("Content-Encoding: gzip", gzip.compress),
        415, "content-encoded", "The Content-Encoding gzip isn't undone here",
    ),
    "folded": (
        part('Content-Disposition: form-data;\r\n name="file"; filename="memo.wav"'),
        400, "form-malformed", "The form can't be read: a header of a part goes on in a second line",
    ),
    "inline": (
        part('Content-Disposition: inline; name="file"; filename="memo.wav"'),
        400, "form-malformed", "The form can't be read: a part's Content-Disposition isn't form-data.",
    ),
    "without a disposition": (
        part("Content-Type: audio/wav"),
        400, "form-malformed", "The form can't be read: a part has no Content-Disposition.",
    ),
    "without a name": (
        part('Content-Disposition: form-data; filename="memo.wav"'),
        400, "form-malformed", "The form can't be read: a part has no name.",
    ),
    "an unknown charset": (
        part('Content-Disposition: form-data; name="tag"', "Content-Type: text/plain; charset=klingon", content=b"x"),
        400, "form-malformed", "The form can't be read: the field tag is in the charset klingon, which isn't known.",
    ),
    "no charset of texts": (
        part('Content-Disposition: form-data; name="tag"', "Content-Type: text/plain; charset=zlib", content=b"x"),
        400, "form-malformed", "The form can't be read: the field tag isn't ZLIB.",
    ),
    "another charset than it says": (
        part('Content-Disposition: form-data; name="tag"', "Content-Type: a/b; charset=utf-8", content=b"\xff"),
        400, "form-malformed", "The form can't be read: the field tag isn't UTF-8.",
    ),
    "another boundary": (
        b"--c\r\n" * 1000,
        400, "form-malformed", "The form can't be read: it doesn't begin with the boundary that its type names.",
    ),
}  # fmt: skip


async def test_refusals_say_what_is_wrong(client: httpx.AsyncClient, kept: Look) -> None:
    """A form that isn't understood is refused with the true reason, and leaves nothing."""
    for body, status, slug, detail in REFUSED.values():
        told = problem(await post(client, body), status=status, slug=slug)
        assert told["detail"].startswith(detail)
    assert ((await kept()).rows, (await kept()).files) == ([], set())


PATHS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", URL, FORM),
    ("POST", "/api/uploads", {"Tus-Resumable": "1.0.0", "Upload-Length": "9"}),
    ("PATCH", "/api/uploads/8d8ac610-566d-4ef0-9c22-186b2a5ed793", {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}),
    ("PUT", "/api/audio/8d8ac610-566d-4ef0-9c22-186b2a5ed793/tags", {"Content-Type": "application/json"}),
]


@pytest.mark.parametrize(("method", "path", "headers"), PATHS, ids=["form", "tus", "tus patch", "labels"])
async def test_packed_bodies_are_refused(
    client: httpx.AsyncClient, kept: Look, method: str, path: str, headers: dict[str, Any]
) -> None:
    """No body is unpacked, and the refusal says which codings there are: none."""
    packed = gzip.compress(file('filename="memo.wav"') + b"--b--\r\n")
    answer = await client.request(method, path, content=packed, headers=headers | {"Content-Encoding": "gzip"})
    told = problem(answer, status=415, slug="content-encoded")
    assert (told["header"], told["coding"]) == ("Content-Encoding", "gzip")
    assert answer.headers["accept-encoding"] == "identity"
    assert (await kept()).rows == []
    identity = await client.request(method, path, headers=headers | {"Content-Encoding": "identity"})
    assert identity.json()["type"] != told["type"] if identity.content else identity.status_code == 201
