"""How a case is run: each contestant in turn, round after round, with the disk at rest before each."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from benchmarks.intake import usage
from benchmarks.intake.place import Place
from benchmarks.intake.scale import Case, Scale
from benchmarks.intake.servers import ROOT
from benchmarks.intake.trial import LIMIT_SECONDS, Contestant, Trial, address, load, measure

Measured = TypeVar("Measured")
QUIET_SECONDS = 0.5
QUIET_CPU_SECONDS = 0.02
UNTIL_QUIET_SECONDS = 60
WAYS_OUT: Mapping[str, Callable[[dict[str, str]], str]] = {
    "Pegasus": lambda answer: f"/api/audio/{answer['id']}/download",
    "textbook": lambda answer: f"/files/{answer['filename']}",
    "nginx": lambda _: "/download.wav",
}


@dataclass(frozen=True)
class SlowTrial:
    """A fast client alone, then beside many slow ones, some of which the server may have turned away."""

    alone: Trial
    beside: Trial
    slow_bytes_per_second: float
    turned_away: int


class Rounds:
    """Runs the cases in a place, each with `repeats` rounds; `files` are the recordings by their size.

    What is larger than `kept_below_bytes` is removed after each round.
    """

    def __init__(
        self, place: Place, *, scale: Scale, repeats: int, files: Mapping[int, Path], kept_below_bytes: int
    ) -> None:
        self._place = place
        self._scale = scale
        self._repeats = repeats
        self._files = files
        self._kept_below_bytes = kept_below_bytes

    def upload(self, case: Case) -> dict[str, list[Trial]]:
        """Every way in."""
        return self._run(self._place.contestants, lambda contestant: self._measure(contestant, case))

    def download(self, case: Case) -> dict[str, list[Trial]]:
        """Every way out."""
        contestants = [self._way_out(found, case) for found in self._place.contestants if found.name in WAYS_OUT]
        return self._run(contestants, lambda contestant: self._measure(contestant, case))

    def slow(self) -> dict[str, list[SlowTrial]]:
        """Forms alone, whose servers do the same work for a fast client and for slow ones."""
        contestants = [found for found in self._place.contestants if found.way == "multipart"]
        return self._run(contestants, self._beside_slow_clients)

    def _run(
        self, contestants: Sequence[Contestant], work: Callable[[Contestant], Measured]
    ) -> dict[str, list[Measured]]:
        """A B C D, A B C D, …: the n-th of each contestant's trials are of one round."""
        found: dict[str, list[Measured]] = {contestant.name: [] for contestant in contestants}
        for _ in range(self._repeats):
            for contestant in contestants:
                os.sync()  # what one server left to be written must not be paid for by the next
                time.sleep(self._scale.pause_seconds)
                found[contestant.name].append(work(contestant))
            self._make_room(contestants)
        return found

    def _make_room(self, contestants: Sequence[Contestant]) -> None:
        sent = {contestant.server.files for contestant in contestants if contestant.way != "get"}
        for path in (path for folder in sent for path in folder.rglob("*")):
            if path.is_file() and path.stat().st_size > self._kept_below_bytes:
                path.unlink()

    def _measure(self, contestant: Contestant, case: Case) -> Trial:
        return measure(
            contestant,
            file=self._files[case.size],
            requests=case.requests,
            connections=case.connections,
            database=self._place.database,
        )

    def _way_out(self, contestant: Contestant, case: Case) -> Contestant:
        way_in = replace(contestant, path=contestant.path.replace("%t-%d", "download"))
        body = load(way_in, file=self._files[case.size])["last_body"]
        path = WAYS_OUT[contestant.name](json.loads(body) if body.startswith("{") else {})
        return replace(contestant, way="get", path=path)

    def _beside_slow_clients(self, contestant: Contestant) -> SlowTrial:
        case, scale = self._scale.fast, self._scale
        alone = self._measure(contestant, case)
        counts = ["--clients", str(scale.slow_clients), "--rate", str(scale.slow_rate), "--seconds", str(LIMIT_SECONDS)]
        command = [sys.executable, "-m", "benchmarks.intake.slow", *address(contestant), *counts]
        file = ["--file", str(self._files[case.size])]
        with subprocess.Popen([*command, *file], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clients:
            assert clients.stdin is not None
            assert clients.stdout is not None
            clients.stdout.readline()
            beside = self._measure(contestant, case)
            clients.stdin.close()
            told = json.loads(clients.stdout.read())
        _until_quiet(contestant.server.pid)
        return SlowTrial(alone, beside, told["bytes"] / told["seconds"], told["turned_away"])


def _until_quiet(pid: int) -> None:
    """Waits until a server has cleaned up behind clients that hung up."""
    deadline = time.monotonic() + UNTIL_QUIET_SECONDS
    used, before = usage.cpu_seconds(pid), 0.0
    while used - before > QUIET_CPU_SECONDS and time.monotonic() < deadline:
        time.sleep(QUIET_SECONDS)
        used, before = usage.cpu_seconds(pid), used
