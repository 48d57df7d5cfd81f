"""Drops privileges: a process of root switches to a user who owns nothing, and any process drops its capabilities."""

import os
import struct
from pathlib import Path
from typing import Final

from audio.processing.decoder.libc import UNSUPPORTED, capset

# Distributions assign no id between 65,520 and 65,533; 65,534 (nobody) is shared with other programs.
DECODER_ID: Final = 65_529
_CAPABILITY_VERSION_3 = 0x20080522


def drop_privileges() -> None:
    """Switches to another user and group where this process may, and drops all capabilities. Raises OSError."""
    if os.geteuid() == 0:
        _become(DECODER_ID)
    try:
        capset(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(2 * 3 * 4))
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def unprivileged() -> bool:
    """Whether this process is another user than root, without a capability."""
    return os.geteuid() != 0 and not _capabilities()


def _become(number: int) -> None:
    """Switches user and group. Root without CAP_SETUID, as in some containers, stays root: see `unprivileged`."""
    try:
        os.setgroups([])
        os.setresgid(number, number, number)
        os.setresuid(number, number, number)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def _capabilities() -> int:
    """The effective and permitted capabilities, as bits; 0 on systems without them."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["CapEff"], 16) | int(lines["CapPrm"], 16)
