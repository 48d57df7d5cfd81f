"""The ways on that a refusal names: SQL to run and commands to call, followed to the letter."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .bare import Ran
from .trial import Trial

ROUNDS = 4
COMMAND = re.compile(r"python -m reconcile (heal\b[^;,()]*)")
SQL = re.compile(
    r"\b(?:ALTER|BEGIN|COMMENT|CREATE|DELETE|DROP|INSERT|REFRESH|REINDEX|SET|UPDATE|VALIDATE)\b.*", re.DOTALL
)


@dataclass(frozen=True)
class Way:
    """One way on: the arguments of a heal, or SQL after which the heal is called again."""

    arguments: tuple[str, ...] = ()
    sql: str = ""

    @property
    def assumed(self) -> str:
        """The revision that a person vouches for on this way."""
        return self.arguments[self.arguments.index("--assume") + 1] if "--assume" in self.arguments else ""


def ways_in(refused: Ran) -> tuple[Way, ...]:
    """The ways that a refusal names, of which a test can follow SQL and commands."""
    report: dict[str, Any] = json.loads(refused.stdout)
    return tuple(_ways((report.get("refusal") or {}).get("remedies", ())))


def _ways(remedies: tuple[str, ...]) -> Iterator[Way]:
    for remedy in remedies:
        if command := COMMAND.search(remedy):
            yield Way(arguments=tuple(shlex.split(command[1], comments=True)))
        elif not remedy.startswith("--") and (found := SQL.search(remedy)):
            yield Way(sql=found[0])


def follow(trial: Trial, way: Way) -> None:
    """Goes a way, and where it leads to another refusal the first way from there, until the database is healed."""
    command, gone = way.arguments or ("heal",), [way]
    for _ in range(ROUNDS):
        if gone[-1].sql:
            trial.sql(gone[-1].sql)
        command = gone[-1].arguments or command
        healed = trial.call(*command, "--json")
        if healed.returncode == 0:
            return
        onward = [new for new in ways_in(healed) if new not in gone]
        assert onward, f"no way on from: {gone}\n{trial.words}"
        gone.append(onward[0])
    raise AssertionError(f"this way doesn't end: {gone}\n{trial.words}")
