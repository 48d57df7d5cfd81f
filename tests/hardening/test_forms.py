"""Forms of any shape over real sockets: a correct upload, or refused as what they are; never a hang or a leftover."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from core.settings import Settings
from tests.api.conftest import Look
from tests.api.uploads.test_serving import FILE_HEAD, WAV, wire

CONTENT = WAV[:3000] + b"\r\n--\r\n--b-\r\n--bb\r\r\n-" + bytes(range(256))
TAG = b'--b\r\nContent-Disposition: form-data; name="tag"\r\n\r\nWork\r\n'
BODY = TAG + FILE_HEAD + CONTENT + b"\r\n--b--\r\n"
ANSWER_SECONDS = 20

# What forms are made of, and what looks like it.
PIECES = [
    b"--b\r\n", b"--b--\r\n", b"--b", b"\r\n--b\r\n", b"\r\n--b--", b"--", b"\r\n", b"\n", b"\r", b":", b";", b"=",
    b'"', b"\\",
    b"Content-Disposition: form-data", b"; name=file", b'; name="file"', b'; filename="a.wav"',
    b"; filename*=utf-8''%ff",
    b"; name*0=fi; name*1=le", b"Content-Disposition:", b"Content-Type: multipart/mixed; boundary=b\r\n", b"X: y\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Digest: sha-256=:AA==:\r\n", b"\x00", b"\xff\xfe", b" ", b"\t",
    FILE_HEAD, TAG, CONTENT, WAV[:100],
]  # fmt: skip
BODIES = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=12).map(b"".join)
DAMAGED = st.lists(st.tuples(st.integers(0, len(BODY)), st.integers(0, 5), st.sampled_from(PIECES)), max_size=4)
BOUNDARIES = st.one_of(
    st.sampled_from(["b", '"b"', '"b', "", '""', "b; boundary=c", "=?utf-8?q?b?=", "b" * 256, "b" * 70, "é"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=80),
)

T = TypeVar("T")
Answer = tuple[int, dict[str, str], bytes]
Send = Callable[..., Coroutine[Any, Any, Answer]]
Sound = Callable[[Coroutine[Any, Any, Answer]], Coroutine[Any, Any, None]]


@pytest.fixture
def send(server: str) -> Send:
    """A function that sends a body as a form, cut where it is told, and reads the answer."""

    async def post(body: bytes, *, boundary: str = "b", cuts: tuple[int, ...] = ()) -> Any:
        lines = [
            "POST /api/audio/upload HTTP/1.1",
            "Host: 127.0.0.1",
            f"Content-Type: multipart/form-data; boundary={boundary}",
            f"Content-Length: {len(body)}",
        ]
        async with wire(server) as client, asyncio.timeout(ANSWER_SECONDS):
            await client.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
            for start, stop in zip((0, *cuts), (*cuts, len(body)), strict=True):
                await asyncio.sleep(0.002 if start else 0)
                await client.send(body[start:stop])
            return await client.answer()

    return post


@pytest.fixture
def sound(kept: Look) -> Sound:
    """A function that looks whether an answer is one of those allowed, and whether what it says is what is kept."""
    taken = 0

    async def check(answering: Coroutine[Any, Any, Answer]) -> None:
        nonlocal taken
        status, headers, body = await answering
        taken += status == 200
        if status != 200:
            assert 400 <= status < 500, body
            assert headers["content-type"] == "application/problem+json"
        now = await kept()
        assert (len(now.rows), len(now.files)) == (taken, 2 * taken)

    return check


async def each(
    strategy: st.SearchStrategy[T], check: Callable[[T], Coroutine[Any, Any, None]], *, examples: int
) -> None:
    """Looks at so many examples, one after the other; the server goes on meanwhile, in this loop."""
    loop = asyncio.get_running_loop()

    @bounds(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(strategy)
    def look(example: T) -> None:
        asyncio.run_coroutine_threadsafe(check(example), loop).result()

    await asyncio.to_thread(look)


EXAMPLES = [
    pytest.param(40),
    pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]


@pytest.mark.parametrize("examples", EXAMPLES)
async def test_forms_made_of_anything(send: Send, sound: Sound, examples: int) -> None:
    """Bodies of what forms are made of, in any order, are read or refused."""
    await each(BODIES, lambda body: sound(send(body)), examples=examples)


@pytest.mark.parametrize("examples", EXAMPLES)
async def test_forms_with_damage(send: Send, sound: Sound, examples: int) -> None:
    """A good form with something else written into it anywhere is read or refused."""

    async def damage(places: list[tuple[int, int, bytes]]) -> None:
        body = BODY
        for at, removed, instead in places:
            body = body[:at] + instead + body[at + removed :]
        await sound(send(body, cuts=(len(body) // 2,)))

    await each(DAMAGED, damage, examples=examples)


@pytest.mark.parametrize("examples", EXAMPLES)
async def test_boundaries_of_any_kind(send: Send, sound: Sound, examples: int) -> None:
    """Whatever a request says that the boundary is, the form is read or refused."""
    await each(BOUNDARIES, lambda boundary: sound(send(BODY, boundary=boundary)), examples=examples)


@pytest.mark.parametrize(
    "step", [pytest.param(17), pytest.param(1, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
async def test_a_body_may_be_cut_at_any_byte(send: Send, kept: Look, settings: Settings, step: int) -> None:
    """Sent in two at any byte, a form makes the same recording."""
    content = WAV[:100] + CONTENT[3000:3100]
    body = TAG + FILE_HEAD + content + b"\r\n--b--\r\n"
    cuts = range(1, len(body), step)
    for at in range(0, len(cuts), 8):
        for status, _, answer in await asyncio.gather(*(send(body, cuts=(cut,)) for cut in cuts[at : at + 8])):
            assert status == 200, answer
            assert json.loads(answer)["tag"] == "Work"
    rows = (await kept()).rows
    assert len(rows) == len(cuts)
    digests = {hashlib.sha256((settings.storage_root / row["file_path"]).read_bytes()).digest() for row in rows}
    assert digests == {hashlib.sha256(content).digest()}
