"""Landlock without any rule: the process can't reach a path, a TCP port or another process from then on.

See landlock(7), since Linux 5.13.
"""

import os
import struct
from typing import Final

from audio.processing.decoder.libc import syscall

# The same on every architecture: they came after the numbers were unified.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_QUERY_VERSION = 1
# How many rights on files a kernel has, by its ABI version; later versions add none.
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
_MOST_FILE_RIGHTS = 16
_SINCE_NETWORK, _SINCE_SCOPES = 4, 6
_TCP_RIGHTS = 0b11  # to bind and to connect
_SCOPES = 0b11  # abstract UNIX sockets, and signals


def restrict_self() -> None:
    """Denies this process everything that the kernel's Landlock can deny. It needs a free descriptor for a moment.

    Needs no_new_privs. Raises OSError.
    """
    ruleset = syscall(_CREATE_RULESET, attributes := _attributes(), len(attributes), 0)
    try:
        syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _attributes() -> bytes:
    """The struct landlock_ruleset_attr in this kernel's length. Rights that are handled and not allowed are denied."""
    version = syscall(_CREATE_RULESET, None, 0, _QUERY_VERSION)
    handled = [(1 << _FILE_RIGHTS.get(version, _MOST_FILE_RIGHTS)) - 1]
    if version >= _SINCE_NETWORK:
        handled.append(_TCP_RIGHTS)
    if version >= _SINCE_SCOPES:
        handled.append(_SCOPES)
    return struct.pack(f"={len(handled)}Q", *handled)
