"""The benchmark of uploads runs wherever the tests do."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.intake.servers import RIVALS
from benchmarks.intake.table import speed_table
from benchmarks.intake.trial import GIB, Trial

ROOT = Path(__file__).resolve().parents[2]
CASES = {"large", "medium", "small", "download", "small download", "slow"}


def here() -> set[str]:
    """The servers that this machine has, besides those that come with Pegasus."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    return {name for name, found in (("nginx", nginx), ("tuspyserver", RIVALS.exists())) if found}


@pytest.mark.timeout(600)
def test_every_server_that_is_there_is_measured(tmp_path: Path) -> None:
    """Each case is run with every server in both places, all that is sent is taken, and what is missing is said."""
    command = [sys.executable, "benchmarks/uploads.py", "--quick", "--folder", str(tmp_path / "disk")]
    ran = subprocess.run(
        [*command, "--json", str(tmp_path / "found.json")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "backend:."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    for place, textbooks in (("disk", {"textbook", "textbook, fsync"}), ("memory", {"textbook"})):
        assert set(found[place]) == CASES
        measured = {"Pegasus", "bare", *textbooks, *here()}
        for case in ("large", "medium", "small"):
            assert set(found[place][case]) - {"Pegasus, tus", "Pegasus, tus in one request"} == measured
        for case in ("download", "small download"):
            assert set(found[place][case]) == {"Pegasus", "textbook", "nginx"} & measured
        assert set(found[place]["slow"]) == {"Pegasus", "bare", *textbooks}
    for name in {"nginx", "tuspyserver"} - here():
        assert re.search(rf"^{name} is not installed", ran.stdout, flags=re.MULTILINE)
    assert "didn't take all" not in ran.stdout
    assert list((tmp_path / "disk").iterdir()) == []


def trial(*, seconds: float, cpu: float) -> Trial:
    """A trial with a GiB."""
    return Trial(
        taken=1,
        bytes=GIB,
        seconds=seconds,
        p50_seconds=seconds,
        p99_seconds=seconds,
        server_cpu_seconds=cpu,
        database_cpu_seconds=0,
        client_cpu_seconds=0,
        peak_over_idle_bytes=0,
        not_taken={},
    )


def test_ratios_are_those_within_a_round() -> None:
    """A round in which everything is slow changes no ratio."""
    ours = [trial(seconds=1, cpu=1), trial(seconds=10, cpu=2), trial(seconds=1, cpu=1)]
    theirs = [trial(seconds=2, cpu=2), trial(seconds=20, cpu=4), trial(seconds=2, cpu=2)]
    lines = speed_table("1 GiB", {"Pegasus": ours, "textbook": theirs}).splitlines()
    assert lines[3].endswith("| 2.00 | 0.50 |")
