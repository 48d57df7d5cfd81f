"""Engines that are services: what they are sent, what is made of their answers, and of their failures."""

import asyncio
import hashlib
import json
import logging
import socket
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

from audio.transcription.contract import (
    Engine,
    EngineBusy,
    EngineProblem,
    EngineRefused,
    EngineUnreachable,
    Segment,
    Transcript,
    Word,
)
from audio.transcription.engines.deepgram import Deepgram
from audio.transcription.engines.http_service import HttpTimeouts, retry_after_seconds
from audio.transcription.engines.openai import OpenAI
from core.observability.logging import configure_logging
from core.settings import load_settings
from tests.audio.transcription.service import (
    DEEPGRAM_ANSWER,
    KEY,
    OPENAI_ANSWER,
    OPENAI_CALL,
    SAID,
    Asked,
    Connection,
    Speaker,
    breaking_off,
    replying,
)

HASTY = HttpTimeouts(connect_seconds=5, write_seconds=5, read_seconds=0.3, total_seconds=1)
ENGINES = ("openai", "deepgram")


def made(name: str, address: str, *, key: str = KEY, timeouts: HttpTimeouts | None = None) -> Engine:
    if name == "openai":
        return OpenAI(address, key=key, model="whisper-1", timeouts=timeouts)
    return Deepgram(address, key=key, model="nova-3", timeouts=timeouts)


@asynccontextmanager
async def engine_at(name: str, address: str, *, timeouts: HttpTimeouts | None = None) -> AsyncIterator[Engine]:
    engine = made(name, address, timeouts=timeouts)
    yield engine
    await engine.close()


async def problem(name: str, address: str, audio: Path, *, timeouts: HttpTimeouts | None = None) -> EngineProblem:
    """The problem that the engine has, which never tells a key, a name or an address."""
    async with engine_at(name, address, timeouts=timeouts) as engine:
        with pytest.raises(EngineProblem) as raised:
            await engine.transcribe(audio, language=None)
    sentence = str(raised.value)
    assert raised.value.__cause__ is None
    for private in (KEY, "sk-", "127.0.0.1", audio.stem, "Jones", SAID):
        assert private not in sentence
    return raised.value


async def test_openai(service: Speaker, audio: Path) -> None:
    """The recording arrives byte for byte under a neutral name, with times asked for; the answer is read whole."""
    async with engine_at("openai", service.address) as engine:
        transcript = await engine.transcribe(audio, language=None)
    (asked,) = service.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.file_sha256 == hashlib.sha256(audio.read_bytes()).hexdigest()
    assert (asked.file_name, asked.file_type) == ("recording.ogg", "audio/ogg")
    assert asked.fields == {
        "model": ["whisper-1"],
        "temperature": ["0"],
        "response_format": ["verbose_json"],
        "timestamp_granularities[]": ["word", "segment"],
    }
    assert (transcript.text, transcript.language) == (SAID, "en")
    assert transcript.segments == (Segment(SAID, 0.0, 2.5),)
    assert transcript.words[3] == Word("report", 1.2, 1.55)


async def test_deepgram(service: Speaker, audio: Path) -> None:
    """The recording arrives byte for byte with its own type and length; words come with their punctuation."""
    async with engine_at("deepgram", service.address) as engine:
        transcript = await engine.transcribe(audio, language=None)
    (asked,) = service.asked
    assert asked.headers["authorization"] == f"Token {KEY}"
    assert asked.headers["content-length"] == str(audio.stat().st_size)
    assert (asked.file_type, asked.file_sha256) == ("audio/ogg", hashlib.sha256(audio.read_bytes()).hexdigest())
    assert asked.fields == {
        "model": ["nova-3"],
        "smart_format": ["true"],
        "utterances": ["true"],
        "detect_language": ["true"],
    }
    assert (transcript.text, transcript.language) == (SAID, "en")
    assert transcript.segments == (Segment(SAID, 0.0, 2.35),)
    assert transcript.words[-1] == Word("Friday.", 2.0, 2.35)


@pytest.mark.parametrize(("name", "sent"), [("openai", "pt"), ("deepgram", "pt-BR")])
async def test_a_language_that_is_given(service: Speaker, audio: Path, name: str, sent: str) -> None:
    """A language that is known is sent, in the form that the service takes, and is the transcript's."""
    async with engine_at(name, service.address) as engine:
        transcript = await engine.transcribe(audio, language="pt-BR")
    assert service.asked[0].fields["language"] == [sent]
    assert "detect_language" not in service.asked[0].fields
    assert transcript.language == "pt-BR"


async def test_a_model_without_times(service: Speaker, audio: Path) -> None:
    """A model that refuses to tell times is asked for the text alone, the next time at once."""

    async def text_alone(asked: Asked) -> Response:
        if asked.fields["response_format"] == ["json"]:
            return JSONResponse({"text": SAID})
        error = {"message": "response_format 'verbose_json' is not compatible", "param": "response_format"}
        return JSONResponse({"error": error}, 400)

    service.answer = text_alone
    async with engine_at("openai", service.address) as engine:
        assert await engine.transcribe(audio, language=None) == Transcript(SAID)
        assert await engine.transcribe(audio, language=None) == Transcript(SAID)
    assert [asked.fields["response_format"][0] for asked in service.asked] == ["verbose_json", "json", "json"]


async def test_openai_tells_speakers(service: Speaker, audio: Path) -> None:
    """Where speakers are wanted a model that can tells them; one that can't is asked again for what it has."""

    async def by_speaker(asked: Asked) -> Response:
        if asked.fields["model"] == ["gpt-4o-transcribe-diarize"]:
            return JSONResponse(OPENAI_CALL)
        if asked.fields["response_format"] == ["diarized_json"]:
            return JSONResponse({"error": {"message": "response_format 'diarized_json' is not compatible"}}, 400)
        return JSONResponse(OPENAI_ANSWER)

    service.answer = by_speaker
    for model, formats in (
        ("gpt-4o-transcribe-diarize", ["diarized_json"]),
        ("whisper-1", ["diarized_json", "verbose_json"]),
    ):
        engine = OpenAI(service.address, key=KEY, model=model, speakers=True)
        transcript = await engine.transcribe(audio, language=None)
        await engine.close()
        asked = [asked for asked in service.asked if asked.fields["model"] == [model]]
        assert [one.fields["response_format"][0] for one in asked] == formats
        assert asked[0].fields["chunking_strategy"] == ["auto"]
        speakers = [segment.speaker for segment in transcript.segments]
        assert speakers == (["A", "B", None] if model != "whisper-1" else [None])


async def test_deepgram_tells_speakers(service: Speaker, audio: Path) -> None:
    """Where speakers are wanted it is asked for them, and its numbers, from 0, are counted from 1."""
    [utterance] = DEEPGRAM_ANSWER["results"]["utterances"]
    spoken = [utterance | {"speaker": speaker, "start": at} for at, speaker in enumerate((0, 1))] + [utterance]
    results = DEEPGRAM_ANSWER["results"] | {"utterances": spoken}
    service.answer = replying(200, json.dumps(DEEPGRAM_ANSWER | {"results": results}))
    engine = Deepgram(service.address, key=KEY, model="nova-3", speakers=True)
    transcript = await engine.transcribe(audio, language="en")
    await engine.close()
    assert service.asked[0].fields["diarize"] == ["true"]
    assert sorted(str(segment.speaker) for segment in transcript.segments) == ["1", "2", "None"]


async def test_a_service_without_a_key(service: Speaker, audio: Path) -> None:
    """A service of one's own that wants no key is sent none, and words inside segments are found as well."""
    nested = {**OPENAI_ANSWER["segments"][0], "words": OPENAI_ANSWER["words"]}
    service.answer = replying(200, json.dumps({"text": SAID, "language": "pt", "segments": [nested]}))
    engine = OpenAI(service.address, key=None, model="m")
    transcript = await engine.transcribe(audio, language=None)
    await engine.close()
    assert "authorization" not in service.asked[0].headers
    assert (transcript.language, len(transcript.words)) == ("pt", 6)


@pytest.mark.parametrize("name", ENGINES)
async def test_nobody_speaks(service: Speaker, audio: Path, name: str) -> None:
    """An answer without a word is an empty transcript and no failure."""
    empty = {"text": "", "results": {"channels": [{"alternatives": [{"transcript": "", "words": []}]}]}}
    service.answer = replying(200, json.dumps(empty))
    async with engine_at(name, service.address) as engine:
        assert await engine.transcribe(audio, language=None) == Transcript("")


async def test_a_careless_answer(service: Speaker, audio: Path) -> None:
    """Control characters, times out of order and ends before starts don't get into a transcript."""
    words = [
        {"word": " b\u0000", "start": 2, "end": 1},
        {"word": "a", "start": -0.5, "end": 0.5},
        {"word": " ", "start": 0, "end": 1},
    ]
    service.answer = replying(200, json.dumps({"text": " a\u0000\r\nb\u0007 ", "words": words}))
    async with engine_at("openai", service.address) as engine:
        transcript = await engine.transcribe(audio, language=None)
    assert transcript == Transcript("a\nb", None, (Word("a", 0.0, 0.5), Word("b", 2.0, 2.0)))


OPENAI_KEY_REFUSED = json.dumps({"error": {"message": f"Incorrect API key: {KEY}", "code": "invalid_api_key"}})
DEEPGRAM_KEY_REFUSED = json.dumps({"err_code": "INVALID_AUTH", "err_msg": f"Invalid credentials {KEY}"})
REFUSALS = {
    "openai's key": ("openai", 401, OPENAI_KEY_REFUSED, "accept the key in OPENAI_API_KEY (status 401, invalid_api_"),
    "deepgram's key": ("deepgram", 401, DEEPGRAM_KEY_REFUSED, "the key in DEEPGRAM_API_KEY (status 401, INVALID_AUTH)"),
    "no money": ("deepgram", 402, "{}", "it wants to be paid first (status 402)"),
    "no such model": ("openai", 404, '{"error": {"code": "model_not_found"}}', "its model isn't known there"),
    "too large": ("openai", 413, "<html>", "the recording is larger than it takes (status 413)"),
    "unsupported file": ("openai", 400, '{"error": {"code": null}}', "it can't use the recording"),
    "moved": ("deepgram", 302, "", "its answer is unexpected (status 302)"),
    "quoting": ("openai", 400, json.dumps({"code": KEY, "text": SAID}), "with these settings (status 400)."),
}


@pytest.mark.parametrize(("name", "status", "body", "told"), REFUSALS.values(), ids=REFUSALS)
async def test_refused(service: Speaker, audio: Path, name: str, status: int, body: str, told: str) -> None:
    """What no retry mends is refused with a reason that a person understands."""
    service.answer = replying(status, body)
    refused = await problem(name, service.address, audio)
    assert isinstance(refused, EngineRefused)
    assert told in str(refused)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("status", "header", "seconds"), [(429, "7", 7), (503, "0.5", 0.5), (500, None, None), (502, "soon", None)]
)
async def test_busy(
    service: Speaker, audio: Path, name: str, status: int, header: str | None, seconds: float | None
) -> None:
    """Rate limits and failures of the service's own are worth a retry, when the service says where it does."""
    service.answer = replying(status, "{}", **({"retry_after": header} if header else {}))
    busy = await problem(name, service.address, audio)
    assert isinstance(busy, EngineBusy)
    assert busy.retry_after_seconds == seconds


RETRY_AFTER = {"120": 120, " 3 ": 3, "1.5": 1.5, "999999": 3600, "-1": None, "": None, "nan": None, "1e400": None}


def test_retry_after() -> None:
    """Retry-After is read as seconds or as a date, and is never longer than an hour nor before now."""
    assert {text: retry_after_seconds(text) for text in RETRY_AFTER} == RETRY_AFTER
    assert retry_after_seconds(None) is None
    soon = retry_after_seconds(format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True))
    assert soon is not None
    assert 0 < soon <= 100
    assert retry_after_seconds("Sun, 06 Nov 1994 08:49:37 GMT") == 0
    assert retry_after_seconds("Fri, 31 Dec 9999 23:59:59 GMT") == 3600


NONSENSE = {
    "no JSON": "<html>Welcome to the hotel's network</html>",
    "cut short": '{"text": "Please se',
    "another shape": '{"choices": []}',
    "a list": "[1]",
    "no number": '{"text": "", "words": [{"word": "a", "start": "soon", "end": 1}]}',
    "endless": '{"text": "", "words": [{"word": "a", "start": 0, "end": 1e999}]}',
    "nothing": "",
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("name", ENGINES)
async def test_an_answer_that_is_none(service: Speaker, audio: Path, name: str, body: str) -> None:
    """What can't be understood is no transcript, and may be another the next time."""
    service.answer = replying(200, body)
    unreachable = await problem(name, service.address, audio)
    assert isinstance(unreachable, EngineUnreachable)
    assert unreachable.reason == "its answer can't be understood"


@pytest.mark.parametrize("name", ENGINES)
async def test_slow(service: Speaker, audio: Path, name: str) -> None:
    """A service that doesn't answer is given up after a while, and so is one that only drips."""
    released = asyncio.Event()

    async def silent(_asked: Asked) -> Response:
        await released.wait()
        return Response()

    async def dripping(_asked: Asked) -> Response:
        async def drops() -> AsyncIterator[bytes]:
            while not released.is_set():
                yield b" "
                await asyncio.sleep(0.05)

        return StreamingResponse(drops())

    for answer in (silent, dripping):
        service.answer = answer
        unreachable = await problem(name, service.address, audio, timeouts=HASTY)
        assert isinstance(unreachable, EngineUnreachable)
        assert unreachable.reason == "no answer came in time"
    released.set()


async def at_once(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Cuts the connection before anything is read."""


async def after_headers(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def within_the_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"text": "Plea')
    await writer.drain()


async def not_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"220 mail.example ESMTP\r\n")
    await writer.drain()


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("cut", [at_once, after_headers, within_the_answer, not_http])
async def test_a_connection_that_is_cut(audio: Path, name: str, cut: Connection) -> None:
    """Wherever the connection breaks, the recording can be tried again."""
    async with breaking_off(cut) as address:
        unreachable = await problem(name, address, audio)
    assert isinstance(unreachable, EngineUnreachable)
    assert unreachable.reason == "the connection was cut"


@pytest.mark.parametrize("name", ENGINES)
async def test_a_refusal_in_the_middle(tmp_path: Path, name: str) -> None:
    """A service that refuses before it has the whole recording, and throws the rest away, is understood."""
    large = tmp_path / "whole evening.wav"
    large.write_bytes(bytes(16 * 1024 * 1024))

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        while await reader.read(1024 * 1024):
            pass

    async with breaking_off(refuse) as address:
        refused = await problem(name, address, large)
    assert isinstance(refused, EngineRefused)
    assert refused.reason == "the recording is larger than it takes (status 413)"


@pytest.mark.parametrize("name", ENGINES)
async def test_nothing_there(audio: Path, name: str) -> None:
    """Where nothing listens the recording can be tried again."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    unreachable = await problem(name, f"http://127.0.0.1:{port}", audio)
    assert isinstance(unreachable, EngineUnreachable)
    assert unreachable.reason == "nothing answers at its address"


@pytest.mark.parametrize("name", ENGINES)
async def test_a_file_that_is_gone(service: Speaker, tmp_path: Path, name: str) -> None:
    """A file that can't be read is no problem of the engine's."""
    async with engine_at(name, service.address) as engine:
        with pytest.raises(FileNotFoundError):
            await engine.transcribe(tmp_path / "gone.wav", language=None)
    assert service.asked == []


@pytest.mark.parametrize("name", ENGINES)
async def test_memory(service: Speaker, tmp_path: Path, name: str) -> None:
    """A large recording goes from disk to the service without ever being in memory as a whole."""
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    async with engine_at(name, service.address) as engine:
        tracemalloc.start()
        await engine.transcribe(large, language=None)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert service.asked[0].file_sha256 == hashlib.sha256(bytes(64 * 1024 * 1024)).hexdigest()
    assert peak < 16 * 1024 * 1024


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """The server's own log at DEBUG, as it stands on stderr."""
    configure_logging(load_settings(log_level="DEBUG"))
    logging.getLogger("uvicorn.access").setLevel(logging.NOTSET)  # another test's server may have silenced it
    return lambda: capfd.readouterr().err


async def test_the_log_is_discreet(service: Speaker, audio: Path, log: Callable[[], str]) -> None:
    """Even at DEBUG neither key, address, name nor transcript is logged."""
    for name in ENGINES:
        async with engine_at(name, service.address) as engine:
            await engine.transcribe(audio, language=None)
    logged = log()
    assert "POST" in logged  # the service's own line: the log was looked at
    for private in (KEY, service.address, "Jones", SAID):
        assert private not in logged
