"""The names and keys that storage accepts, the same for every driver."""

import re

from storage.contract import NameRefused

STAGING = ".staging"
QUARANTINE = ".quarantine"
OWN = ".pegasus"
_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PLAIN = re.compile(r"(?:[^./\0][^/\0]*/)*[^./\0][^/\0]*")


def checked_name(name: str) -> str:
    """The name, if something may be stored under it. Raises NameRefused."""
    if not _NAME.fullmatch(name):
        raise NameRefused
    return name


def checked_key(key: str) -> str:
    """The key, if unfinished bytes may be stored under it. Raises NameRefused."""
    if not _KEY.fullmatch(key):
        raise NameRefused
    return key


def is_plain(name: str) -> bool:
    """Whether a name is relative, without a part that leads elsewhere or to a hidden file."""
    return _PLAIN.fullmatch(name) is not None
