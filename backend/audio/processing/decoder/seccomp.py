"""A filter that allows a process the system calls for computing and for its open files, and denies all others.

As an allow-list it denies calls of future kernels, too. See seccomp(2), since Linux 3.5.
"""

import ctypes
import errno
import os
import struct
import sys
from typing import Final

from audio.processing.decoder.libc import prctl_with

# Each call's number on x86_64 and on aarch64 (asm/unistd_64.h and asm-generic/unistd.h of the kernel).
_CALLS: Final = {
    # its open files; fstat takes no path, as newfstatat would
    "read": (0, 63),
    "readv": (19, 65),
    "pread64": (17, 67),
    "write": (1, 64),
    "writev": (20, 66),
    "pwrite64": (18, 68),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "ftruncate": (77, 46),
    "close": (3, 57),
    # memory
    "brk": (12, 214),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    # locks, time, random numbers and exit
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "restart_syscall": (219, 128),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "clock_gettime": (228, 113),
    "gettimeofday": (96, 169),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
# Allowed unless the memory is executable (their third argument): data must never become code.
_NOT_EXECUTABLE: Final = {"mmap": (9, 222), "mprotect": (10, 226)}
_PROT_EXEC = 4
# AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64 (linux/audit.h), and the column above.
_MACHINES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

_PR_SET_SECCOMP, _FILTER = 22, 2
_KILL_PROCESS, _DENY, _ALLOW = 0x80000000, 0x00050000 | errno.EPERM, 0x7FFF0000
# Classic BPF (linux/bpf_common.h): load a word, jump if equal, jump if any bit is set, return.
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _THIRD_ARGUMENT_AT = 0, 4, 32  # struct seccomp_data


class _Program(ctypes.Structure):
    """The struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_calls() -> None:
    """Denies this process every call but those above, for good. Needs no_new_privs. Raises OSError."""
    machine = os.uname().machine
    if machine not in _MACHINES or sys.maxsize < 1 << 32:  # or a 32-bit program, whose calls have other numbers
        raise OSError(errno.ENOSYS, f"no filter is written for {machine}")
    code = program(machine)
    prctl_with(_PR_SET_SECCOMP, _FILTER, _Program(len(code) // 8, code))


def program(machine: str) -> bytes:
    """The filter for a machine. A call of another architecture kills the process: its numbers mean other calls."""
    architecture, column = _MACHINES[machine]
    code = [
        _instruction(_LOAD, _ARCHITECTURE_AT),
        _instruction(_EQUAL, architecture, if_true=1),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, _NUMBER_AT),
    ]
    for numbers in _CALLS.values():
        code += [_instruction(_EQUAL, numbers[column], if_false=1), _instruction(_RETURN, _ALLOW)]
    for numbers in _NOT_EXECUTABLE.values():
        code += [
            _instruction(_EQUAL, numbers[column], if_false=4),
            _instruction(_LOAD, _THIRD_ARGUMENT_AT),
            _instruction(_ANY_BIT, _PROT_EXEC, if_false=1),
            _instruction(_RETURN, _DENY),
            _instruction(_RETURN, _ALLOW),
        ]
    return b"".join([*code, _instruction(_RETURN, _DENY)])


def _instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    """The struct sock_filter; `if_true` and `if_false` are how many instructions to skip."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
