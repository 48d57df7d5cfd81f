"""Parses the settings of webhooks: endpoints and signing secret."""

import base64
import binascii
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from audio.events.webhook_endpoint import Endpoint
from core.errors import SettingRefused
from core.public_addresses import is_public

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
_ADDRESS = re.compile(r"[!-~]+")


def endpoints(urls: str | None, *, allow_private: bool) -> Sequence[Endpoint]:
    """The endpoints of WEBHOOK_URLS, separated by commas. Raises SettingRefused, which shows no part of a value."""
    addresses = [url.strip() for url in (urls or "").split(",") if url.strip()]
    for number, url in enumerate(addresses, start=1):
        reason = _refusal(url, allow_private=allow_private)
        if reason is not None:
            raise SettingRefused("WEBHOOK_URLS", f"has an impossible value: address {number} {reason}")
    return [Endpoint(url=url) for url in dict.fromkeys(addresses)]


def _refusal(url: str, *, allow_private: bool) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or not _ADDRESS.fullmatch(url) or parts.scheme not in {"http", "https"}:
        return "isn't like https://host/path"
    if "@" in parts.netloc or "#" in url:
        return "holds a user or a fragment, which aren't sent"
    if allow_private:
        return None
    if parts.scheme == "http":
        return "isn't encrypted: use https, or set WEBHOOK_ALLOW_PRIVATE"
    try:
        return None if is_public(host) else "isn't public: set WEBHOOK_ALLOW_PRIVATE"
    except ValueError:
        return None  # a host name: its addresses are checked at each connection


def secret(text: str | None) -> bytes:
    """The key of WEBHOOK_SECRET: `whsec_` and 24 to 64 bytes in base64. Raises SettingRefused."""
    if text is None:
        raise SettingRefused("WEBHOOK_SECRET", "is needed where WEBHOOK_URLS is set")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or len(key) not in SECRET_BYTES:
        raise SettingRefused("WEBHOOK_SECRET", f"isn't {PREFIX} and 24 to 64 bytes in base64")
    return key
