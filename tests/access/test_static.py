"""The tokens that the settings name."""

from pathlib import Path

import pytest

from access.caller import Caller
from access.static_tokens import static_tokens
from core.errors import SettingRefused

SECRET = "correct-horse-battery"


def test_users_and_an_admin() -> None:
    """`secret=user` by commas or lines, spaces between; `*` is an admin; a secret may hold =, as base64 does."""
    found = static_tokens(f" {SECRET}=ada,\n\n{SECRET}2 = ben\n{SECRET}==*,", file=None)
    assert found.find(SECRET) == Caller(user_id="ada")
    assert found.find(f"{SECRET}2") == Caller(user_id="ben")
    assert found.find(f"{SECRET}=") == Caller(admin=True)
    for unknown in ("", SECRET[:-1], f"{SECRET}3", "ada", "*"):
        assert found.find(unknown) is None


def test_from_a_file_too(tmp_path: Path) -> None:
    """A file's tokens count beside those of the setting."""
    file = tmp_path / "tokens"
    file.write_text(f"{SECRET}-of-file=ben\n")
    found = static_tokens(f"{SECRET}=ada", file=file)
    assert (found.find(SECRET), found.find(f"{SECRET}-of-file")) == (Caller(user_id="ada"), Caller(user_id="ben"))


def test_none_named() -> None:
    """Without either setting there is none."""
    assert not static_tokens(None, file=None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{SECRET}=ada,short=ben", "entry 2 isn't secret=user"),
        (SECRET, "entry 1 isn't secret=user"),
        (f"{SECRET} x=ada", "entry 1 isn't secret=user"),
        (f"{SECRET}ä=ada", "entry 1 isn't secret=user"),
        ("a" * 513 + "=ada", "entry 1 isn't secret=user"),
        (f"{SECRET}=", "entry 1 names no user"),
        (f"{SECRET}=a\x07", "in entry 1: The user id holds a control character"),
        (f"{SECRET}={'a' * 256}", "in entry 1: The user id has 256 characters"),
        (f"{SECRET}=ada,{SECRET}=ben", "entry 2 repeats a secret"),
        ("", "names no token"),
        (" , \n", "names no token"),
    ],
)
@pytest.mark.parametrize("from_file", [True, False])
def test_impossible_ones_stop_the_start(tmp_path: Path, text: str, reason: str, *, from_file: bool) -> None:
    """What is no token is refused by its place, and no part of it is shown; none at all is no silent opening."""
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(SettingRefused) as refused:
        static_tokens(*((None,) if from_file else (text,)), file=file if from_file else None)
    assert reason in str(refused.value)
    assert refused.value.setting == ("AUTH_TOKENS_FILE" if from_file else "AUTH_TOKENS")
    assert SECRET not in str(refused.value)


def test_an_unreadable_file(tmp_path: Path) -> None:
    """A file that isn't there, or isn't text, is refused by the setting's name."""
    for content in (None, b"\xff\xfe"):
        if content is not None:
            (tmp_path / "tokens").write_bytes(content)
        with pytest.raises(SettingRefused, match="^The setting AUTH_TOKENS_FILE names a file that can't be read: "):
            static_tokens(None, file=tmp_path / "tokens")
