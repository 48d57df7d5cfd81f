"""Choosing an engine: what is missing stops the start, in a sentence that names the setting."""

from pathlib import Path
from typing import Any, NoReturn

import pytest

from audio.transcription.engines.deepgram import Deepgram
from audio.transcription.engines.http_service import with_version
from audio.transcription.engines.languages import code_of
from audio.transcription.engines.openai import OpenAI
from audio.transcription.engines.selection import INSTALL_SPEAKERS, INSTALL_WHISPER, engine_for, improver_for
from core.errors import SettingRefused
from core.settings import ROOT, load_settings


def samples(_recording: Path) -> NoReturn:
    """Services are sent the recording itself."""
    raise NotImplementedError


def test_none_unless_asked_for() -> None:
    """By default nothing is transcribed and nothing improved."""
    assert engine_for(load_settings(), samples=samples) is None
    assert improver_for(load_settings()) is None


CHOSEN: dict[str, tuple[type, dict[str, Any]]] = {
    "openai": (OpenAI, {"transcription_engine": "openai", "openai_api_key": "sk-x"}),
    "its own service": (OpenAI, {"transcription_engine": "openai", "openai_base_url": "http://127.0.0.1:9000"}),
    "deepgram": (Deepgram, {"transcription_engine": "deepgram", "deepgram_api_key": "x"}),
}


@pytest.mark.parametrize(("kind", "chosen"), CHOSEN.values(), ids=CHOSEN)
async def test_chosen(kind: type, chosen: dict[str, Any]) -> None:
    """TRANSCRIPTION_ENGINE chooses; a service of one's own needs no key."""
    engine = engine_for(load_settings(**chosen), samples=samples)
    assert engine
    assert isinstance(engine, kind)
    await engine.close()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "openai": (
        {"transcription_engine": "openai"},
        "The setting OPENAI_API_KEY is missing, and TRANSCRIPTION_ENGINE=openai needs it.",
    ),
    "deepgram": (
        {"transcription_engine": "deepgram"},
        "The setting DEEPGRAM_API_KEY is missing, and TRANSCRIPTION_ENGINE=deepgram needs it.",
    ),
    "whisper": (
        {"transcription_engine": "whisper"},
        "The setting TRANSCRIPTION_ENGINE is whisper, and faster-whisper isn't installed: pip install --require-hashes",
    ),
    "unknown": (
        {"transcription_engine": "siri"},
        "The setting TRANSCRIPTION_ENGINE has an impossible value: input should be 'none', 'whisper', 'openai' or 'd",
    ),
    "no address": (
        {"openai_base_url": "localhost:8000"},
        "The setting OPENAI_BASE_URL has an impossible value: it is no http:// or https:// address.",
    ),
    "no port": (
        {"ollama_base_url": "http://127.0.0.1:port"},
        "The setting OLLAMA_BASE_URL has an impossible value: it is no http:// or https:// address.",
    ),
    "a password in an address": (
        {"deepgram_base_url": "https://me:s3cret@api.deepgram.com"},
        "The setting DEEPGRAM_BASE_URL has an impossible value: it holds more than host, port and path;",
    ),
    "no language": (
        {"transcription_language": "English!"},
        "The setting TRANSCRIPTION_LANGUAGE has an impossible value: it is no language",
    ),
}


@pytest.mark.parametrize(("chosen", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused(chosen: dict[str, Any], sentence: str) -> None:
    """What an engine can't work without is asked for at start."""
    with pytest.raises(SettingRefused) as refused:
        engine_for(load_settings(**chosen), samples=samples)
    assert str(refused.value).startswith(sentence)


def test_requirements_are_there() -> None:
    """The commands that refusals tell can be run."""
    for command in (INSTALL_WHISPER, INSTALL_SPEAKERS):
        assert (ROOT / command.rpartition(" ")[2]).is_file()


ROOTS = {
    "https://api.openai.com/v1": "https://api.openai.com/v1",
    "http://127.0.0.1:11434": "http://127.0.0.1:11434/v1",
    "https://example.org/openai/v2": "https://example.org/openai/v2",
}


def test_versions() -> None:
    """An address with a path is the API's root; Ollama's, without one, gets /v1."""
    assert {address: with_version(address) for address in ROOTS} == ROOTS


LANGUAGES = {
    "english": "en",
    "German": "de",
    "haitian creole": "ht",
    "en": "en",
    "EN": "en",
    "pt-BR": "pt-BR",
    "zh_Hant": "zh-Hant",
    "multi": None,
    "unknown tongue": None,
    "": None,
    None: None,
}


def test_languages() -> None:
    """A language has one code, whatever a service calls it; what is no language has none."""
    assert {name: code_of(name) for name in LANGUAGES} == LANGUAGES
