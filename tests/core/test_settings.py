"""Settings: what is impossible stops the start, in a sentence that names the setting."""

from pathlib import Path

import pytest
from pydantic_settings import EnvSettingsSource

from core.errors import SettingRefused
from core.settings import ROOT, Settings, load_settings


def refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / ".env"
    file.write_text(text)
    with pytest.raises(SettingRefused) as refused:
        load_settings(file)
    assert refused.value.exit_code != 0
    return str(refused.value)


REFUSED = {
    "unknown": ("DATABASE_URI=x", "The setting DATABASE_URI is unknown; did you mean DATABASE_URL?"),
    "far from any": ("FAVOURITE_COLOUR=blue", "The setting FAVOURITE_COLOUR is unknown."),
    "no port": ("PORT=99999", "The setting PORT has an impossible value: input should be less than or equal to 65535."),
    "no number": ("WORKERS=many", "The setting WORKERS has an impossible value: input should be a valid integer"),
    "no choice": (
        "MIGRATIONS=yes",
        "The setting MIGRATIONS has an impossible value: input should be 'heal', 'verify' or 'off'.",
    ),
    "broken line": ("PORT=8001\n'oops", "The setting file .env has a line that is not NAME=value, line 2."),
    "lone name": ("WORKERS\n", "The setting file .env has a line that is not NAME=value, line 1."),
    "open to others": (
        "HOST=0.0.0.0",
        "The setting HOST is 0.0.0.0, where other machines reach it without a token: set AUTH=tokens to ask for one",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """An unknown name, an impossible value and a broken line are refused by name."""
    assert refusal(tmp_path, text).startswith(sentence)


def test_no_value_in_a_refusal(tmp_path: Path) -> None:
    """A refusal never shows a value, which may be a secret."""
    assert "s3cret" not in refusal(tmp_path, "DATABASE_URLS=postgresql://me:s3cret@db/x")
    assert "s3cret" not in refusal(tmp_path, "PORT=s3cret")
    assert "s3cret" not in refusal(tmp_path, "DATABASE_URL=x\ns3cret 'oops")


def test_no_text_file(tmp_path: Path) -> None:
    """A file that is not text is refused, not ignored."""
    file = tmp_path / ".env"
    file.write_bytes(b"PORT=\xff\xfe")
    with pytest.raises(SettingRefused, match="^The setting file .env can't be read"):
        load_settings(file)


@pytest.mark.parametrize("who", ["AUTH=open", "AUTH=tokens", "AUTH_TOKENS=secret=ada", "AUTH_TOKENS_FILE=tokens"])
def test_open_to_others(tmp_path: Path, who: str) -> None:
    """Any address is allowed where it is said who may: everybody on purpose, or whoever has a token."""
    (tmp_path / ".env").write_text(f"HOST=0.0.0.0\n{who}")
    assert load_settings(tmp_path / ".env").host == "0.0.0.0"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback(tmp_path: Path, host: str) -> None:
    """On this machine alone no token is asked for."""
    assert load_settings(tmp_path / "none", host=host).on_loopback


def test_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment wins over the file; empty counts as not set; others' names in the file are left alone."""
    (tmp_path / ".env").write_text("PORT=1\nWORKERS=2\nDATABASE_URL=\nPOSTGRES_PASSWORD=x\nCOMPOSE_PROJECT_NAME=y")
    monkeypatch.setenv("PORT", "3")
    settings = load_settings(tmp_path / ".env")
    assert (settings.port, settings.workers, settings.database_url) == (3, 2, None)


def test_no_setting_is_json() -> None:
    """Each is a text as it stands, whatever its type: the sources read none as pydantic-settings reads lists."""
    ordinary = EnvSettingsSource(Settings)
    assert not [name for name, field in Settings.model_fields.items() if ordinary._field_is_complex(field)[0]]


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths count from the root, wherever one stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_PATH", raising=False)
    assert load_settings(tmp_path / "none", data_path="elsewhere").storage_root == ROOT / "elsewhere" / "recordings"
    assert load_settings(tmp_path / "none").data_path == ROOT / "data"
