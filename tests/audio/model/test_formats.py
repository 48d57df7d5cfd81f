"""Which bytes are audio."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.model.recognition import recognise
from tests.audio.samples import SAMPLES, Sample, recording

ID3_WITH_PICTURE = b"ID3\x04\x00\x00\x00\x02\x00\x00" + b"APIC" + bytes(32764)

# Formats that FFmpeg reads but doesn't write here, as their specifications begin them.
HEADS = {
    "speex (Speex manual, Ogg header)": (
        b"OggS\x00\x02" + bytes(20) + b"\x01\x50" + b"Speex   1.2rc1" + bytes(66), "audio/ogg"
    ),
    "amr-wb (RFC 4867, 5.1)": (b"#!AMR-WB\n" + b"\x44" + bytes(60), "audio/amr-wb"),
    "amr, two channels (RFC 4867, 5.1)": (b"#!AMR_MC1.0\n\x00\x00\x00\x02", "audio/amr"),
    "aiff-c": (b"FORM\x00\x00\x10\x00AIFCFVER\x00\x00\x00\x04\xa2\x80\x51\x40", "audio/aiff"),
    "bw64 (BS.2088)": (b"BW64\xff\xff\xff\xffWAVEds64", "audio/wav"),
    "mp3 behind a large picture": (ID3_WITH_PICTURE + recording("mp3 without a tag"), "audio/mpeg"),
    "flac behind an ID3 tag": (
        b"ID3\x03\x00\x00\x00\x00\x00\x0a" + bytes(10) + b"fLaC\x00\x00\x00\x22" + bytes(34), "audio/flac"
    ),
}  # fmt: skip

OTHERS = {
    "empty": b"",
    "text": b"This is no recording. " * 100,
    "text that begins like a tag": b"ID3 is a format for tags, and this is a text about it.",
    "utf-16 text, little end first": "\ufeffNot a recording. ".encode("utf-16-le") * 100,
    "utf-16 text, big end first": "\ufeffNot a recording. ".encode("utf-16-be") * 100,
    "text that begins like a wave": b"RIFFle, WAVEs of sound are what this text is about. " * 100,
    "text that begins like a form": b"FORMats: AIFF and WAVE are words in this text, which is long." * 100,
    "html": b"<!doctype html><html><script>alert(1)</script></html>",
    "png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(2000),
    "pdf": b"%PDF-1.7\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "avi": b"RIFF\x00\x10\x00\x00AVI LIST",
    "webp": b"RIFF\x00\x10\x00\x00WEBPVP8 ",
    "heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    "avif": b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif",
    "hls playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\nfile:///etc/passwd\n",
    "concat script": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "theora": b"OggS\x00\x02" + bytes(20) + b"\x01\x2a" + b"\x80theora",
    "one lonely frame sync": b"\xff\xfb\x90\x00" + b"then nothing that follows from it" * 100,
    "adts sync and then text": b"\xff\xf1\x50\x80\x02\x1f\xfc" + b"text" * 1000,
    "an ebml document that is no film": b"\x1a\x45\xdf\xa3\x8b\x42\x82\x84test",
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_real_recordings_are_recognised(sample: Sample) -> None:
    """A recording of every format is recognised by its first bytes, and given its type and ending."""
    audio_format = recognise(recording(sample.name))
    assert audio_format is not None
    assert (audio_format.mime_type, audio_format.extension) == (sample.mime_type, sample.extension)


@pytest.mark.parametrize("name", HEADS)
def test_other_heads_are_recognised(name: str) -> None:
    """So are the formats that only a specification's example stands for here."""
    head, mime_type = HEADS[name]
    audio_format = recognise(head)
    assert audio_format is not None
    assert audio_format.mime_type == mime_type


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_audio_is_not_recognised(name: str) -> None:
    """Text, pages, pictures and scripts are not audio, whatever they begin with."""
    assert recognise(OTHERS[name]) is None


@given(st.text(min_size=1, max_size=5000), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_no_text_is_audio(text: str, encoding: str) -> None:
    """No text passes for audio, unless it begins with a format's own signature."""
    assert recognise(text.encode(encoding, errors="ignore")) is None


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(head: bytes) -> None:
    """Recognition has an answer to anything."""
    recognise(head)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_cut_head_does_no_harm(sample: Sample) -> None:
    """Cut anywhere, a head is recognised as its own format or not at all."""
    whole = recognise(recording(sample.name))
    for length in range(200):
        assert recognise(recording(sample.name)[:length]) in {None, whole}
