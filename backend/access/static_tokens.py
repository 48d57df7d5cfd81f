"""Static tokens: those that the settings name, `secret=user`, beside the ones in the table."""

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
_BETWEEN = re.compile(r"[,\n]")


class StaticTokens:
    """Who bears which of the settings' secrets; only their hashes are kept in memory."""

    def __init__(self, callers: Iterable[tuple[bytes, Caller]] = ()) -> None:
        self._callers = tuple(callers)

    def __bool__(self) -> bool:
        return bool(self._callers)

    def find(self, secret: str) -> Caller | None:
        """The bearer of a secret. Each is compared, and as a whole, so that the time tells nothing."""
        wanted, found = hashed(secret), None
        for digest, caller in self._callers:
            if hmac.compare_digest(digest, wanted):
                found = caller
        return found


def static_tokens(text: str | None, *, file: Path | None) -> StaticTokens:
    """The tokens of AUTH_TOKENS and of the file that AUTH_TOKENS_FILE names: `secret=user`, by commas or lines.

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
    found: dict[bytes, Caller] = {}
    entries = [entry.strip() for entry in _BETWEEN.split(text)]
    for number, entry in enumerate(filter(None, entries), start=1):
        secret, equals, user = (part.strip() for part in entry.rpartition("="))
        if not equals or not _SECRET.fullmatch(secret):
            reason = "isn't secret=user with a secret of 16 to 512 visible ASCII characters"
            raise SettingRefused(setting, f"has an impossible value: entry {number} {reason}")
        digest = hashed(secret)
        if digest in found:
            raise SettingRefused(setting, f"has an impossible value: entry {number} repeats a secret")
        found[digest] = _caller(setting, user, number=number)
    if not found:  # left open by mistake would be the worst reading
        raise SettingRefused(setting, "names no token")
    return found


def _caller(setting: str, user: str, *, number: int) -> Caller:
    if user == EVERYBODY:
        return Caller(admin=True)
    try:
        kept = user_label(user)
    except LabelRefused as error:
        raise SettingRefused(setting, f"has an impossible value in entry {number}: {error}".rstrip(".")) from None
    if kept is None:
        raise SettingRefused(setting, f"has an impossible value: entry {number} names no user")
    return Caller(user_id=kept)
