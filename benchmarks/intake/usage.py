"""What the kernel says of a process and everything below it: CPU time and memory (proc(5))."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_TIMES = slice(11, 15)  # utime, stime, and those of children that have ended, counted from the field behind the name
_RESET_PEAK = "5"  # proc_pid_clear_refs(5)


def tree(pid: int) -> list[int]:
    """A process and those below it."""
    return [pid, *(below for child in _children(pid) for below in tree(child))]


def _children(pid: int) -> Iterator[int]:
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread may end meanwhile
            yield from map(int, thread.read_text().split())


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree, with that of its children that have ended."""
    return sum(_own_cpu_seconds(process) for process in tree(pid))


def _own_cpu_seconds(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[_TIMES])) / _TICKS
    return 0.0


def memory_bytes(processes: Sequence[int]) -> int:
    """The resident memory of the processes now."""
    return sum(_status_bytes(pid, "VmRSS") for pid in processes)


def peak_bytes(processes: Sequence[int]) -> int:
    """The most that each has had since `forget_peak`, added up."""
    return sum(_status_bytes(pid, "VmHWM") for pid in processes)


def forget_peak(processes: Sequence[int]) -> None:
    """Lets the peak begin again at what is resident now."""
    for pid in processes:
        Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


def _status_bytes(pid: int, name: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0
