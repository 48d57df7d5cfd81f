"""The settings: from the environment, from `.env` in the project's root, or from files with secrets.

A secret is a file named like a setting, in small letters, in /run/secrets or in the folder SECRETS_PATH of the
environment. The environment wins over `.env`, and that over secrets. Relative paths count from the root, whatever the
working directory.
"""

import difflib
import os
import re
from collections.abc import Mapping
from functools import cached_property
from io import StringIO
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from core.errors import SettingRefused

SECRETS = "/run/secrets"  # where Docker, Podman and Kubernetes put them
ROOT = Path(__file__).resolve().parents[2]
OTHERS_PREFIXES = ("compose_", "postgres_")  # docker compose reads the same `.env`


def _service_address(text: str) -> str:
    """A service's base URL. A password in it would end up in other people's logs."""
    parts = urlsplit(text)
    if (
        not re.fullmatch(r"https?://([^/?#]*@)?(\[[0-9a-fA-F:.]+\]|[^:/?#@\[\]\s]+)(:[0-9]{1,5})?([/?#].*)?", text)
        or not parts.hostname
    ):
        raise ValueError("it is no http:// or https:// address")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("it holds more than host, port and path; keys have settings of their own")
    return text.rstrip("/")


def _matches(pattern: str, *, message: str) -> AfterValidator:
    """Refuses a text that doesn't match, with `message`."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(message)
        return text

    return AfterValidator(check)


STORAGE = r"local|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?"
StorageAddress = Annotated[str, _matches(STORAGE, message="it is neither local nor s3://bucket/prefix")]
Language = Annotated[
    str, _matches(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", message="it is no language as BCP 47 writes them: en, pt-BR")
]
HOST_NAME = r"[A-Za-z0-9._-]{1,255}|\[?[0-9A-Fa-f]*:[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*\]?"
HostNames = Annotated[
    str,
    _matches(
        rf"\s*({HOST_NAME})(\s*,\s*({HOST_NAME}))*\s*",
        message="it holds more than names and addresses of hosts, without ports, separated by commas",
    ),
]
ORIGIN = rf"https?://({HOST_NAME})(:[0-9]{{1,5}})?"
Origins = Annotated[
    str,
    _matches(
        rf"\s*{ORIGIN}(\s*,\s*{ORIGIN})*\s*",
        message="it holds more than origins, as https://app.example or http://localhost:5173, separated by commas",
    ),
]
RootedPath = Annotated[Path, AfterValidator(lambda path: (ROOT / path.expanduser()).absolute())]
ServiceAddress = Annotated[str, AfterValidator(_service_address)]


class _Variables(PydanticBaseSettingsSource):
    """The variables of the environment or of `.env`, as they stand: no setting is JSON.

    pydantic-settings would find that out anew for each setting and source, which is most of what loading takes.
    """

    def __init__(self, settings: type[BaseSettings], variables: Mapping[str, str | None], *, others: bool) -> None:
        super().__init__(settings)
        ours = settings.model_fields
        self._values = {
            name: value for name, value in variables.items() if value is not None and (others or name in ours)
        }

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - as inherited
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self._values)


class Settings(BaseSettings):
    """Every setting with its default. `.env.example` describes each for the person who sets it."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=256)
    max_connections: int = Field(default=2000, ge=1)
    max_connections_per_address: int = Field(default=200, ge=0)
    data_path: RootedPath = ROOT / "data"
    database_url: SecretStr | None = None
    migration_database_url: SecretStr | None = None
    migrations: Literal["heal", "verify", "off"] = "heal"
    heal_row_limit: int = Field(default=100_000, ge=0)
    allow_ahead: bool = False
    storage: StorageAddress = "local"
    audio_storage_path: RootedPath | None = None
    aws_endpoint_url: ServiceAddress | None = None
    aws_region: str = "us-east-1"
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    max_file_size_mb: int = Field(default=500, ge=1)
    sweep_hours: float = Field(default=24, ge=0, allow_inf_nan=False)
    auth: Literal["tokens", "open"] | None = None
    auth_tokens: SecretStr | None = None
    auth_tokens_file: RootedPath | None = None
    allowed_hosts: HostNames | None = None
    allowed_origins: Origins | None = None
    public_url: ServiceAddress | None = None
    user_quota_mb: int = Field(default=0, ge=0)
    user_quota_recordings: int = Field(default=0, ge=0)
    uploads_per_minute: int = Field(default=0, ge=0)
    open_uploads: int = Field(default=5, ge=1)
    processing: Literal["inline", "off"] = "inline"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    drain_seconds: float = Field(default=30, ge=0, allow_inf_nan=False)
    drain_grace_seconds: float = Field(default=0, ge=0, allow_inf_nan=False)
    transcription_engine: Literal["none", "whisper", "openai", "deepgram"] = "none"
    transcription_language: Language | None = None
    transcription_speakers: bool = False
    whisper_model: str = "base"
    speaker_segmentation_model: RootedPath | None = None
    speaker_embedding_model: RootedPath | None = None
    openai_base_url: ServiceAddress = "https://api.openai.com/v1"
    openai_api_key: SecretStr | None = None
    openai_transcription_model: str = "whisper-1"
    deepgram_base_url: ServiceAddress = "https://api.deepgram.com"
    deepgram_api_key: SecretStr | None = None
    deepgram_model: str = "nova-3"
    ollama_base_url: ServiceAddress = "http://127.0.0.1:11434"
    ollama_api_key: SecretStr | None = None
    ollama_model: str | None = None
    webhook_urls: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    webhook_allow_private: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment has names of everybody's; whatever is in `.env` is for us, and refused if it is unknown."""
        return (
            init_settings,
            _Variables(settings_cls, cast(EnvSettingsSource, env_settings).env_vars, others=False),
            _Variables(settings_cls, cast(EnvSettingsSource, dotenv_settings).env_vars, others=True),
            file_secret_settings,
        )

    @model_validator(mode="before")
    @classmethod
    def _drop_foreign_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if not name.lower().startswith(OTHERS_PREFIXES)}

    @cached_property
    def storage_root(self) -> Path:
        """The folder that holds the recordings."""
        return self.audio_storage_path or self.data_path / "recordings"

    @property
    def max_file_size_bytes(self) -> int:
        return self.max_file_size_mb * 1024 * 1024

    @property
    def user_quota_bytes(self) -> int:
        """The limit for all recordings of one user, in bytes; 0 sets none."""
        return self.user_quota_mb * 1024 * 1024

    @property
    def allowed_host_names(self) -> list[str]:
        return [name.strip().strip("[]") for name in (self.allowed_hosts or "").split(",") if name]

    @property
    def allowed_origin_names(self) -> list[str]:
        return [origin.strip().lower() for origin in (self.allowed_origins or "").split(",") if origin]

    @property
    def auth_is_configured(self) -> bool:
        """Whether a setting says who may use a server that other machines can reach."""
        return self.auth is not None or self.auth_tokens is not None or self.auth_tokens_file is not None

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def load_settings(env_file: Path | None = None, **overrides: Any) -> Settings:
    """The settings from the environment, `env_file` and secrets; `overrides` win over all.

    `env_file` defaults to ENV_FILE of the environment, else to `.env` in the root.

    Raises:
        SettingRefused: a name is unknown, a value is impossible, or the file can't be read.
    """
    env_file = env_file or Path(os.environ.get("ENV_FILE") or ROOT / ".env")
    _check_readable(env_file)
    try:
        secrets = Path(os.environ.get("SECRETS_PATH") or SECRETS)
        sources = {"_env_file": env_file, "_secrets_dir": secrets if secrets.is_dir() else None}
        settings = Settings(**sources, **overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise _refusal(error) from None
    if not settings.on_loopback and not settings.auth_is_configured:
        raise SettingRefused(
            "HOST",
            f"is {settings.host}, where other machines reach it without a token: set AUTH=tokens to ask for one,"
            " or AUTH=open to allow that",
        )
    return settings


def _check_readable(env_file: Path) -> None:
    """python-dotenv only warns about a line that it can't parse; a setting lost that way must stop the start."""
    try:
        text = env_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise SettingRefused(f"file {env_file.name}", f"can't be read: {error}") from None
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingRefused(
                f"file {env_file.name}",
                f"has a line that is not NAME=value, line {binding.original.line}",
            )


def _refusal(error: ValidationError) -> SettingRefused:
    first = error.errors(include_input=False, include_url=False)[0]
    name = str(first["loc"][0]).upper() if first["loc"] else "file"
    if first["type"] != "extra_forbidden":
        sentence = first["msg"].removeprefix("Value error, ")
        reason = sentence[0].lower() + sentence[1:]
        return SettingRefused(name, f"has an impossible value: {reason}")
    names = [field.upper() for field in Settings.model_fields]
    close = difflib.get_close_matches(name, names, n=1)
    return SettingRefused(name, "is unknown" + (f"; did you mean {close[0]}?" if close else ""))
