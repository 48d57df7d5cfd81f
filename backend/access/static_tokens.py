"""Static tokens: `secret=user` in the settings, in addition to the tokens in the table."""

import hmac
import re
from collections.abc import Iterable
from pathlib import Path

from access.caller import Caller
from access.tokens import hashed
from core.errors import SettingRefused
from core.labels import LabelRefused, user_label

EVERYBODY = "*"  # the user of an admin's token
_SECRET = re.compile(r"[!-~]{16,512}")
_SEPARATOR = re.compile(r"[,\n]")


class StaticTokens:
    """The callers of the settings' tokens; only hashes of the secrets stay in memory."""

    def __init__(self, callers: Iterable[tuple[bytes, Caller]] = ()) -> None:
        self._callers = tuple(callers)

    def __bool__(self) -> bool:
        return bool(self._callers)

    def find(self, secret: str) -> Caller | None:
        """The caller with that secret. All are compared, in constant time, so that the time reveals nothing."""
        secret_digest, match = hashed(secret), None
        for digest, caller in self._callers:
            if hmac.compare_digest(digest, secret_digest):
                match = caller
        return match


def static_tokens(text: str | None, *, file: Path | None) -> StaticTokens:
    """The tokens of AUTH_TOKENS and of the file AUTH_TOKENS_FILE: `secret=user`, separated by commas or lines.

    Raises SettingRefused, which shows no part of a value.
    """
    callers = {} if text is None else _callers("AUTH_TOKENS", text)
    if file is not None:
        callers |= _callers("AUTH_TOKENS_FILE", _read(file))
    return StaticTokens(callers.items())


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it isn't text"
        raise SettingRefused("AUTH_TOKENS_FILE", f"names a file that can't be read: {reason}") from None


def _callers(setting: str, text: str) -> dict[bytes, Caller]:
    callers: dict[bytes, Caller] = {}
    entries = [entry.strip() for entry in _SEPARATOR.split(text)]
    for number, entry in enumerate(filter(None, entries), start=1):
        secret, equals, user = (part.strip() for part in entry.rpartition("="))
        if not equals or not _SECRET.fullmatch(secret):
            reason = "isn't secret=user with a secret of 16 to 512 visible ASCII characters"
            raise SettingRefused(setting, f"has an impossible value: entry {number} {reason}")
        digest = hashed(secret)
        if digest in callers:
            raise SettingRefused(setting, f"has an impossible value: entry {number} repeats a secret")
        callers[digest] = _caller(setting, user, number=number)
    if not callers:  # an empty value must not leave the server open by mistake
        raise SettingRefused(setting, "names no token")
    return callers


def _caller(setting: str, user: str, *, number: int) -> Caller:
    if user == EVERYBODY:
        return Caller(admin=True)
    try:
        user_id = user_label(user)
    except LabelRefused as error:
        raise SettingRefused(setting, f"has an impossible value in entry {number}: {error}".rstrip(".")) from None
    if user_id is None:
        raise SettingRefused(setting, f"has an impossible value: entry {number} names no user")
    return Caller(user_id=user_id)
