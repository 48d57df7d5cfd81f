"""The program of a decoder whose child does what an attacker would, had a bug in a codec given it the processor.

It takes the real server's place by Decoder(program=…), and is the real server but for its jobs. No attack does harm
where it succeeds.
"""

import ctypes
import errno
import mmap
import os
import platform
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

sys.path.append(sys.argv[1])
from audio.processing.decoder.fork_server import serve
from audio.processing.decoder.operations import JOBS

T = TypeVar("T")
LIBC = ctypes.CDLL(None, use_errno=True)
# By their numbers, since the C library would do it in another way.
CALLS = ("memfd_create", "ptrace", "unshare", "process_vm_readv", "newfstatat", "bpf", "pidfd_open", "io_uring_setup")
NUMBERS = {"x86_64": (319, 101, 272, 310, 262, 321, 434, 425), "aarch64": (279, 117, 97, 270, 79, 280, 434, 425)}
NUMBER = dict(zip(CALLS, NUMBERS[platform.machine()], strict=True)) | {"clone3": 435, "x32's open": 0x40000000 | 2}
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
CLONE_NEWUSER = 0x10000000
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
PR_SET_DUMPABLE = 4
RUNNABLE = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
SERVER = os.getpid()
NAME = ctypes.create_string_buffer(b"/etc/passwd")
ROOM = ctypes.create_string_buffer(512)
MEMORY = mmap.mmap(-1, mmap.PAGESIZE)


def call(name: str, *arguments: int) -> int:
    """A call of the system by its number."""
    return succeeded(LIBC.syscall(ctypes.c_long(NUMBER[name]), *map(ctypes.c_void_p, arguments)))


def succeeded(result: int) -> int:
    """The result of a call of the C library. Raises OSError."""
    if result == -1:
        raise OSError(ctypes.get_errno(), "")
    return result


def in_place_of(descriptor: int, attempt: Callable[[], T]) -> T:
    """Makes room first, where only so many descriptors are allowed."""
    os.close(descriptor)
    return attempt()


def read_memory_of(pid: int) -> int:
    """64 bytes of another process."""
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(ROOM), 64)
    return call("process_vm_readv", pid, ctypes.addressof(vector), 1, ctypes.addressof(vector), 1, 0)


def run_memory() -> int:
    """Makes a page that was written to one that is run."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(MEMORY))
    return succeeded(LIBC.mprotect(ctypes.c_void_p(address), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC))


def address(buffer: "ctypes.Array[ctypes.c_char]") -> int:
    return ctypes.addressof(buffer)


# Each is given the process id of another child.
ATTACKS: dict[str, Callable[[int], object]] = {
    "read a file": lambda _: os.open("/etc/passwd", os.O_RDONLY),
    "read a file in place of another": lambda _: in_place_of(0, lambda: os.open("/etc/passwd", os.O_RDONLY)),
    "list a folder": lambda _: list(Path("/").iterdir()),
    "write a file": lambda _: in_place_of(0, lambda: os.open("/tmp/attacked", os.O_WRONLY | os.O_CREAT)),
    "ask for a file": lambda _: Path("/etc/passwd").stat(),
    "ask for a file by number": lambda _: call("newfstatat", AT_FDCWD, address(NAME), address(ROOM), AT_EMPTY_PATH),
    "open the recording to write": lambda _: in_place_of(0, lambda: os.open("/proc/self/fd/3", os.O_RDWR)),
    "write to the recording": lambda _: os.write(3, b"x"),
    "give the recording away": lambda _: os.fchmod(3, 0o777),
    "write without a target": lambda _: os.ftruncate(4, 10),
    "make a folder": lambda _: Path("/tmp/attacked").mkdir(),
    "remove a file": lambda _: Path("/tmp/attacked").unlink(),
    "make a file in memory": lambda _: in_place_of(0, lambda: call("memfd_create", address(NAME), 0)),
    "connect": lambda _: socket.socket(),
    "connect in place of another": lambda _: in_place_of(2, socket.socket),
    "have a local socket": lambda _: in_place_of(2, lambda: socket.socket(socket.AF_UNIX)),
    "have a pipe": lambda _: in_place_of(0, lambda: in_place_of(2, os.pipe)),
    "duplicate a descriptor": lambda _: in_place_of(0, lambda: os.dup(3)),
    "fork": lambda _: os.fork(),
    "fork by number": lambda _: call("clone3", address(ROOM), 88),
    "begin a thread": lambda _: threading.Thread(target=print).start(),
    "run a program": lambda _: os.execv("/bin/true", ["true"]),
    "trace the server": lambda _: call("ptrace", PTRACE_ATTACH, SERVER, 0, 0),
    "trace another child": lambda pid: call("ptrace", PTRACE_SEIZE, pid, 0, 0),
    "read another child": read_memory_of,
    "get hold of another child": lambda pid: in_place_of(0, lambda: call("pidfd_open", pid, 0)),
    "end another child": lambda pid: os.kill(pid, signal.SIGKILL),
    "become root": lambda _: os.setresuid(0, 0, 0),
    "have a namespace": lambda _: call("unshare", CLONE_NEWUSER),
    "have a ring of calls": lambda _: in_place_of(0, lambda: call("io_uring_setup", 1, address(ROOM))),
    "program the kernel": lambda _: call("bpf", 0, address(ROOM), 64),
    "be looked into": lambda _: succeeded(LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)),
    "have more descriptors": lambda _: succeeded(LIBC.setrlimit(resource.RLIMIT_NOFILE, (ctypes.c_ulong * 2)(9, 9))),
    "have memory that is run": lambda _: mmap.mmap(-1, mmap.PAGESIZE, prot=RUNNABLE),
    "run memory that it wrote": lambda _: run_memory(),
    "call by other numbers": lambda _: call("x32's open", address(NAME), 0),
}


def attack(_source: object, _target: object, *, name: str, pid: int) -> dict[str, Any]:
    """What comes of an attack: the name of the error, or what it got."""
    try:
        got = ATTACKS[name](pid)
    except OSError as error:
        return {"outcome": errno.errorcode[error.errno or 0]}
    except RuntimeError as error:  # by which Python says that there is no thread
        return {"outcome": str(error)}
    return {"outcome": f"it got {got!r}"}


def look_around(_source: object, _target: object) -> dict[str, Any]:
    """What a child has."""

    def is_open(descriptor: int) -> bool:
        try:
            os.lseek(descriptor, 0, os.SEEK_CUR)
        except OSError as error:
            return error.errno != errno.EBADF
        return True

    return {"open": [at for at in range(256) if is_open(at)], "environment": sorted(os.environ)}


def spin(_source: object, _target: object) -> NoReturn:
    """Comes to no end."""
    while True:
        pass


def say(_source: object, _target: object, *, answer: str) -> NoReturn:
    """Answers with whatever it likes."""
    os.write(1, answer.encode())
    os._exit(0)


def spin_on(_source: object, _target: object) -> NoReturn:
    """Comes to no end, and doesn't hear that its processor time is over."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGXCPU])
    spin(None, None)


def talk(_source: object, _target: object) -> NoReturn:
    """Answers without an end."""
    while True:
        os.write(1, bytes(65536))


def watched(job: str) -> Callable[..., dict[str, Any]]:
    """A job of the real server's, which tells what it tried to import."""

    def run(*files: object, **arguments: object) -> dict[str, Any]:
        tried: list[str] = []
        sys.addaudithook(lambda event, details: tried.append(str(details[0])) if event == "import" else None)
        JOBS[job](*files, **arguments)
        return {"imports": tried}

    return run


OURS: dict[str, Callable[..., dict[str, Any]]] = {
    "attack": attack,
    "look around": look_around,
    "spin": spin,
    "spin on": spin_on,
    "talk": talk,
    "say": say,
}
serve(int(sys.argv[2]), niceness=int(sys.argv[3]), jobs=OURS | {f"watched {job}": watched(job) for job in JOBS})
