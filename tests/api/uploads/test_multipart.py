"""Forms read as they arrive: however a body is cut into chunks, it means the same."""

import itertools
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.protocols.form_parts import FormRefused
from api.protocols.upload_form import UploadForm
from audio.intake.incoming_upload import UploadTooLarge
from audio.model.details import Details

BOUNDARY = "----b"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
# A file full of what looks like boundaries, and isn't one.
CONTENT = b"\r\n--\r\n----b\r\n------\r\n\r\n------\r\r\n----b-x\r\n------c\x00\xff\r\n"
BODY = (
    b'------b\r\nContent-Disposition: form-data; name="tag"\r\n\r\nW\xc3\xb6rk\r\n'
    b'------b\r\nContent-Disposition: form-data; name="file"; filename="m\xc3\xa9mo %22a%22.wav"\r\n'
    b"Content-Type: audio/wav\r\n\r\n" + CONTENT + b"\r\n"
    b"------b\r\ncontent-disposition:form-data;name=category\r\n\r\nMeeting\r\n"
    b'------b\r\nContent-Disposition: form-data; name="user_id"\r\n\r\n\r\n------b--\r\n'
)
DETAILS = Details(original_filename='mémo "a".wav', user_id="", labels={"tag": "Wörk", "category": "Meeting"})


def read(chunks: Iterable[bytes], *, limit: int = 1000) -> tuple[bytes, Details]:
    """The file and the fields of a form; every chunk comes in the same buffer, as large bodies do."""
    form, content, buffer = UploadForm(TYPE, file_limit_bytes=limit), bytearray(), bytearray()
    form.pass_file_on(content.extend)
    for chunk in chunks:
        if len(chunk) == len(buffer):
            buffer[:] = chunk
        else:
            buffer = bytearray(chunk)
        form.feed(buffer)
    form.end()
    return bytes(content), form.details()


@pytest.mark.parametrize("at", range(len(BODY) + 1))
def test_a_body_may_be_cut_anywhere(at: int) -> None:
    """Cut in two at any byte, a form means the same."""
    assert read([BODY[:at], BODY[at:]]) == (CONTENT, DETAILS)


def test_a_body_may_come_byte_by_byte() -> None:
    """So it does when every byte comes alone."""
    assert read([bytes([byte]) for byte in BODY]) == (CONTENT, DETAILS)


@given(st.lists(st.integers(0, len(BODY)), max_size=20).map(sorted))
def test_a_body_may_be_cut_into_many(cuts: list[int]) -> None:
    """So it does when it is cut at many places."""
    edges = [0, *cuts, len(BODY)]
    assert read([BODY[a:b] for a, b in itertools.pairwise(edges)]) == (CONTENT, DETAILS)


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_any_file_comes_through(content: bytes) -> None:
    """Whatever the bytes of a file are, they come out as they went in."""
    body = BODY.replace(CONTENT, content)
    if b"\r\n------b" not in b"\r\n" + content:
        assert (read([body[:200], body[200:]]))[0] == content


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(BODY) - 1), st.binary(max_size=3)), min_size=1, max_size=5))
def test_damaged_forms_are_read_or_refused(damages: list[tuple[int, bytes]]) -> None:
    """A damaged form is refused as what it is, or understood; nothing else happens."""
    body = BODY
    for at, bytes_there in damages:
        body = body[:at] + bytes_there + body[at + 1 :]
    with suppress(FormRefused):
        read([body[:100], body[100:]])


@pytest.mark.parametrize("length", range(len(BODY) - 2))
def test_a_form_without_its_end_is_refused(length: int) -> None:
    """Broken off anywhere before its closing boundary, a form is refused."""
    with pytest.raises(FormRefused):
        read([BODY[:length]])


def test_a_body_has_a_limit_in_all() -> None:
    """What stands behind the closing boundary counts too."""
    with pytest.raises(UploadTooLarge):
        read([BODY, *[b"x" * 100_000] * 20], limit=10)
