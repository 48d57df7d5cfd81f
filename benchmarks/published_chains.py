"""Breaks chains of published packages after every statement of every revision, heals them, and prints the tallies.

Each chain runs in the chains' own environment (.venv-chains, by `make chains`), on its own env.py and driver, from a
copy of its migrations: nothing is written into the packages. The exit code is 0 only when nothing went wrong.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from core.postgres.embedded import join

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-chains" / "bin" / "python"
BREAK_CHAIN = Path(__file__).parent / "chains" / "break_chain.py"
CHAINS = ("arize-phoenix", "optuna", "datajunction-server", "manila")
KINDS = ("DDL", "DDL, used since", "moves rows", "moves rows, used since", "killed", "unversioned")
SHOWN_CHARACTERS = 1500

Trial = tuple[dict[str, Any], list[dict[str, Any]]]


def main() -> int:
    """Prints the tallies as a table, a line for each revision where something was wrong, and what it was."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="pegasus-chains-") as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        server = join(Path(folder) / "data")
        with ThreadPoolExecutor(options.jobs) as pool:
            results = [pool.submit(_trial, name, Path(folder), server.address, options) for name in options.only]
            trials = {name: result.result() for name, result in zip(options.only, results, strict=True)}
        server.leave()
    print(_table(trials))
    for name, (_, states) in trials.items():
        for line in _details(name, states, refused=options.details):
            print(line[:SHOWN_CHARACTERS])
    bad = [state for _, states in trials.values() for state in states if state["outcome"] in ("wrong", "traceback")]
    return 1 if bad or any(chain["problem"] for chain, _ in trials.values()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=CHAINS, action="append", help="this chain alone; may be given again")
    parser.add_argument("--revision", action="append", default=[], help="break this revision alone; may be given again")
    parser.add_argument(
        "--way", action="append", default=[], help="killed, half, used or unversioned; may be given again"
    )
    parser.add_argument("--every", type=int, default=1, help="only one state of so many")
    parser.add_argument("--limit", type=int, help="at most so many states of each chain")
    parser.add_argument("--jobs", type=int, default=2, help="chains tried at the same time")
    parser.add_argument("--details", action="store_true", help="also print each state that was refused")
    options = parser.parse_args()
    options.only = options.only or list(CHAINS)
    return options


def _trial(name: str, folder: Path, server: str, options: argparse.Namespace) -> Trial:
    """What break_chain wrote: first the chain, then its states."""
    results, log = folder / f"{name}.jsonl", folder / f"{name}.log"
    chosen = [f"--revision={revision}" for revision in options.revision]
    chosen += [f"--way={way}" for way in options.way]
    chosen += [f"--every={options.every}"] + [f"--limit={options.limit}"] * (options.limit is not None)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "backend"), "PYTHONDONTWRITEBYTECODE": "1"}
    with log.open("w") as output:
        finished = subprocess.run(
            [PYTHON, BREAK_CHAIN, name, server, results, *chosen],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if finished.returncode:
        sys.exit(f"{name} could not be tried:\n{log.read_text()[-SHOWN_CHARACTERS:]}")
    chain, *states = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return chain, states


def _table(trials: dict[str, Trial]) -> str:
    """As Markdown, a line for each kind of states of each chain."""
    lines = [
        "| | revisions | states | tried | healed | | refused | wrong | tracebacks |",
        "|---|---:|---|" + "---:|" * 6,
    ]
    for name, (chain, states) in trials.items():
        label = f"{name} | {chain['revisions']}"
        lines += [f"| {label} | {chain['problem']} | | | | | | |"] * bool(chain["problem"])
        for kind in KINDS:
            counts = Counter(_outcome(state) for state in states if _kind(state) == kind)
            if tried := counts.total():
                share = f"{counts['healed'] / tried:.1%}"
                numbers = (
                    tried,
                    counts["healed"],
                    share,
                    *(counts[what] for what in ("refused", "wrong", "traceback")),
                )
                lines.append(f"| {label} | {kind} | {' | '.join(map(str, numbers))} |")
                label = " | "
    return "\n".join(lines)


def _kind(state: dict[str, Any]) -> str:
    if state["way"] in ("killed", "unversioned"):
        return str(state["way"])
    return ("moves rows" if state["rows"] else "DDL") + (", used since" if state["way"] == "used" else "")


def _outcome(state: dict[str, Any]) -> str:
    outcome = str(state["outcome"])
    return {"current": "healed", "failed": "refused"}.get(outcome, outcome)


def _details(name: str, states: Iterable[dict[str, Any]], *, refused: bool) -> list[str]:
    """What was wrong, revision by revision."""
    shown = {"wrong", "traceback"} | ({"refused", "failed"} if refused else set())
    lines = []
    for state in states:
        if state["outcome"] in shown:
            where = f"{name} {state['revision']}, {state['way']} after statement {state['statement']}"
            lines.append(f"{where}: {state['outcome']}: {'; '.join(state['wrong'])}\n  {state['report']}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
