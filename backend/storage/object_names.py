"""Under which names storage keeps something, and under which keys: the same for every driver."""

import re

from storage.contract import NameRefused

STAGING = ".staging"
QUARANTINE = ".quarantine"
OWN = ".pegasus"
_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PLAIN = re.compile(r"(?:[^./\0][^/\0]*/)*[^./\0][^/\0]*")


def checked_name(name: str) -> str:
    """The name, under which something may be stored. Raises NameRefused."""
    if not _NAME.fullmatch(name):
        raise NameRefused
    return name


def checked_key(key: str) -> str:
    """The key, under which unfinished bytes may be kept. Raises NameRefused."""
    if not _KEY.fullmatch(key):
        raise NameRefused
    return key


def is_plain(name: str) -> bool:
    """Whether a name is relative and has no part that could lead elsewhere, or to what is hidden."""
    return _PLAIN.fullmatch(name) is not None
