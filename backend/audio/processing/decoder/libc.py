"""System calls of Linux that Python has no function for (see section 2 of its manual).

On other systems each of them fails with ENOSYS.
"""

import ctypes
import errno
import os
import sys
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
# The errors of a kernel that lacks a call, or of a container's filter or policy that denies it.
UNSUPPORTED: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EACCES})


def prctl(option: int, *arguments: int) -> int:
    """Sets or gets an attribute of this process. Raises OSError."""
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    return _call("prctl", ctypes.c_int(option), *padded)


def prctl_with(option: int, argument: int, structure: ctypes.Structure) -> int:
    """The same with the address of a structure as the last argument. Raises OSError."""
    return _call("prctl", ctypes.c_int(option), ctypes.c_ulong(argument), ctypes.byref(structure))


def syscall(number: int, *arguments: int | bytes | None) -> int:
    """Calls by number; bytes are passed by their address. Raises OSError."""
    return _call("syscall", ctypes.c_long(number), *map(_passed, arguments))


def capset(header: bytes, data: bytes) -> None:
    """Sets the capabilities of this process. Raises OSError."""
    _call("capset", header, data)


def _passed(argument: int | bytes | None) -> object:
    return ctypes.c_long(argument) if isinstance(argument, int) else ctypes.c_char_p(argument)


def _call(name: str, *arguments: object) -> int:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    result: int = getattr(_LIBC, name)(*arguments)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
