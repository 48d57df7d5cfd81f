"""Recordings in and out: Pegasus beside the textbook upload, tuspyserver and nginx, by turns, on this machine.

It runs everything twice. On a disk Pegasus syncs each recording before it answers; the textbook is there with and
without. In memory nobody pays for syncing. Only ratios are worth comparing between machines.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.intake.place import WAYS_IN, opened
from benchmarks.intake.rounds import Rounds
from benchmarks.intake.scale import FULL, GIB, MIB, QUICK, Scale, write_recording
from benchmarks.intake.servers import ROOT, SERVERS
from benchmarks.intake.table import slow_table, speed_table

MEMORY = Path("/dev/shm")
PLACES = {
    "disk": "On a disk. Pegasus syncs each recording before it answers; of the others only “textbook, fsync” does.",
    "memory": "In memory, where syncing costs nothing.",
}
NOISE_BYTES = 16 * MIB


def main() -> None:
    """Prints a table for each case in each place."""
    if sys.platform != "linux":
        raise SystemExit("This benchmark needs Linux: epoll, sendfile and /proc.")
    given = arguments()
    scale = QUICK if given.quick else FULL
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # no server is left behind
    allow_many_connections()
    found: dict[str, Any] = {}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; Python {platform.python_version()}.")
    with folder_in(given.folder) as folder:
        noise = os.urandom(NOISE_BYTES)
        sizes = {case.size for case in (*scale.uploads, *scale.downloads, scale.fast)}
        files = {size: write_recording(folder / f"{size}.wav", size=size, noise=noise) for size in sizes}
        for place in given.place:
            print(f"\n## {PLACES[place]}\n", flush=True)
            with folder_in(MEMORY) if place == "memory" else folder_in(folder) as own:
                found[place] = measured(own, files, given, scale, place=place)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1, default=asdict), encoding="utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, help=f"rounds of each case ({FULL.repeats})")
    parser.add_argument("--quick", action="store_true", help="small files and few of them, to see that all of it runs")
    parser.add_argument("--case", action="append", choices=FULL.names, help="only these")
    parser.add_argument("--server", action="append", choices=SERVERS, help="only these")
    parser.add_argument("--place", action="append", choices=PLACES, help="only there")
    parser.add_argument("--folder", type=Path, default=ROOT / "data", help="on which disk (the checkout's data)")
    parser.add_argument("--json", type=Path, help="every trial, for a program to read")
    given = parser.parse_args()
    given.case = given.case or FULL.names
    given.server = given.server or list(SERVERS)
    given.place = given.place or list(PLACES)
    return given


def measured(
    folder: Path, files: dict[int, Path], given: argparse.Namespace, scale: Scale, *, place: str
) -> dict[str, Any]:
    """Every trial in one place; the tables are printed as they come."""
    on_disk = place == "disk"
    servers = [name for name in given.server if on_disk or "fsync" not in name]
    repeats = given.repeats or scale.repeats
    # On a disk deleting slows what comes next, so the small files stay. In memory it doesn't, and room is short.
    needed = scale.needed_bytes(contestants=len(WAYS_IN), repeats=repeats if on_disk else 1)
    lacking = needed - shutil.disk_usage(folder).free
    if lacking > 0:
        print(f"Left out: {folder.parent} lacks {lacking / GIB:.1f} GiB.")
        return {}
    with opened(folder, servers=servers, recording=files[scale.fast.size]) as contest:
        for name, why in contest.missing.items():
            print(f"{name} {why}.\n", flush=True)
        rounds = Rounds(contest, scale=scale, repeats=repeats, files=files, kept_below_bytes=MIB if on_disk else 0)
        return run_cases(rounds, scale, given.case)


def run_cases(rounds: Rounds, scale: Scale, wanted: Sequence[str]) -> dict[str, Any]:
    """The cases that are wanted, one after the other."""
    found: dict[str, Any] = {}
    for case in (*scale.uploads, *scale.downloads):
        if case.name in wanted:
            way = rounds.download if case in scale.downloads else rounds.upload
            found[case.name] = trials = way(case)
            name = f"{case} down" if case in scale.downloads else str(case)
            print(f"{speed_table(name, trials)}\n", flush=True)
    if scale.fast.name in wanted:
        found[scale.fast.name] = pairs = rounds.slow()
        title = f"{scale.fast}, {scale.slow_clients} slow clients"
        print(f"{slow_table(title, pairs)}\n", flush=True)
    return found


def allow_many_connections() -> None:
    """A server holds two descriptors for each of many clients."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def folder_in(parent: Path) -> Iterator[Path]:
    """A folder of our own, removed with everything in it."""
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pegasus-bench-", dir=parent) as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        yield Path(folder)


if __name__ == "__main__":
    main()
