"""Creates the engine that the settings choose, and checks at startup whether it can work.

An engine's module is imported where it is chosen: most servers have none, and an HTTP client takes a while to load.
"""

import re
from importlib.util import find_spec
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from audio.transcription.contract import Engine, Samples
from core.errors import SettingRefused
from core.settings import ROOT, Settings

if TYPE_CHECKING:
    from audio.transcription.improvement.improver import Improver

INSTALL_WHISPER = "pip install --require-hashes -r requirements-whisper.lock"
INSTALL_SPEAKERS = "pip install --require-hashes -r requirements-speakers.lock"


def engine_for(settings: Settings, *, samples: Samples) -> Engine | None:
    """The engine that TRANSCRIPTION_ENGINE names; None for `none`. `samples` decodes for one on this machine.

    Raises SettingRefused: a setting that it needs is missing or invalid, or its extra isn't installed.
    """
    match settings.transcription_engine:
        case "none":
            return None
        case "whisper":
            from audio.transcription.engines.whisper import Whisper  # noqa: PLC0415 - see above

            model = _whisper_model(settings.whisper_model)
            return Whisper(model, samples=samples, speaker_models=_speaker_models(settings))
        case "openai":
            from audio.transcription.engines.openai import OpenAI  # noqa: PLC0415 - see above

            return OpenAI(
                settings.openai_base_url,
                key=_openai_key(settings),
                model=settings.openai_transcription_model,
                speakers=settings.transcription_speakers,
            )
        case "deepgram":
            from audio.transcription.engines.deepgram import Deepgram  # noqa: PLC0415 - see above

            if settings.deepgram_api_key is None:
                raise SettingRefused("DEEPGRAM_API_KEY", "is missing, and TRANSCRIPTION_ENGINE=deepgram needs it")
            key = settings.deepgram_api_key.get_secret_value()
            return Deepgram(
                settings.deepgram_base_url,
                key=key,
                model=settings.deepgram_model,
                speakers=settings.transcription_speakers,
            )


def improver_for(settings: Settings) -> "Improver | None":
    """Corrects punctuation and grammar; None unless OLLAMA_MODEL is set."""
    if settings.ollama_model is None:
        return None
    from audio.transcription.improvement.improver import Improver  # noqa: PLC0415 - see above

    return Improver(settings.ollama_base_url, key=_revealed(settings.ollama_api_key), model=settings.ollama_model)


def _openai_key(settings: Settings) -> str | None:
    """A self-hosted service may need no key; OpenAI always does."""
    default: str = Settings.model_fields["openai_base_url"].default
    if settings.openai_api_key is None and settings.openai_base_url == default:
        raise SettingRefused("OPENAI_API_KEY", "is missing, and TRANSCRIPTION_ENGINE=openai needs it")
    return _revealed(settings.openai_api_key)


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _whisper_model(model: str) -> str:
    """The absolute path of a folder, or a model's name."""
    if find_spec("faster_whisper") is None:
        raise SettingRefused(
            "TRANSCRIPTION_ENGINE", f"is whisper, and faster-whisper isn't installed: {INSTALL_WHISPER}"
        )
    folder = ROOT / Path(model).expanduser()
    if folder.is_dir() or model.startswith(("/", ".", "~")):
        if not (folder / "model.bin").is_file():
            raise SettingRefused("WHISPER_MODEL", "names a folder without a model.bin for faster-whisper")
        return str(folder)
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", model):
        raise SettingRefused("WHISPER_MODEL", "is neither a model's name nor a folder that there is")
    return model


def _speaker_models(settings: Settings) -> tuple[Path, Path] | None:
    """The files that Whisper tells speakers apart by, where TRANSCRIPTION_SPEAKERS is set."""
    if not settings.transcription_speakers:
        return None
    if find_spec("sherpa_onnx") is None:
        raise SettingRefused(
            "TRANSCRIPTION_SPEAKERS",
            f"is set, and sherpa-onnx, which tells speakers apart for whisper, isn't installed: {INSTALL_SPEAKERS}",
        )
    return (
        _model_file("SPEAKER_SEGMENTATION_MODEL", settings.speaker_segmentation_model, metadata=b"window_size"),
        _model_file("SPEAKER_EMBEDDING_MODEL", settings.speaker_embedding_model, metadata=b"output_dim"),
    )


def _model_file(setting: str, path: Path | None, *, metadata: bytes) -> Path:
    """A model's file, which has to have an entry of that name: without it sherpa-onnx would end its process."""
    if path is None:
        raise SettingRefused(setting, "is missing, and TRANSCRIPTION_SPEAKERS with whisper needs it")
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            is_model = content.find(metadata) >= 0
    except (OSError, ValueError):  # an empty file can't be mapped
        raise SettingRefused(setting, "names no file that can be read") from None
    if not is_model:
        raise SettingRefused(setting, "names a file that is no model of its kind for sherpa-onnx")
    return path
