"""engine: the one place that knows reconcile, by its command line alone: what is on it stays."""

import contextlib
import io
import json
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconcile.__main__ import main

_LISTS = ("missing", "differing", "extra")


@dataclass(frozen=True)
class Outcome:
    """What a command said: `outcome` is its own word, or `traceback` where it ended in one."""

    outcome: str
    report: str
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        """Whether it says that the schema is the chain's end now."""
        return self.outcome in ("healed", "current")


def record(ini: Path) -> str:
    """Records the chain; the reason where it can't be."""
    outcome = _run("record", ini)
    return "" if outcome.outcome == "recorded" else outcome.report


def heal(ini: Path, *, assume: str | None = None) -> Outcome:
    """Heals the database that the chain is pointed at."""
    return _run("heal", ini, *(("--assume", assume) if assume else ()))


def _run(command: str, ini: Path, *arguments: str) -> Outcome:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            main([command, "-c", str(ini), "--json", *arguments])
    except Exception:  # noqa: BLE001 - whatever comes out is what is to be reported
        return Outcome("traceback", traceback.format_exc(limit=-6))
    answer: dict[str, Any] = json.loads(printed.getvalue())
    if answer.get("verdict") == "unexpected":
        return Outcome("traceback", answer["reason"])
    return Outcome(answer.get("outcome", "recorded"), _shortened(answer), answer)


def _shortened(answer: dict[str, Any]) -> str:
    """The report, with lists of objects as their number alone."""
    shown = {name: len(value) if name in _LISTS else value for name, value in answer.items() if value}
    return json.dumps(shown)
