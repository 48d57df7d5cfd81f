"""What was seen or done at one of many targets, small enough to be sent between processes, and groups of those."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from ..planning.report import Report
from ..schema.errors import ReconcileError
from ..schema.postgres_errors import message_of
from .target import Target

ERROR = "error"
FAILURES = (ReconcileError, CommandError, DBAPIError, OSError)  # a driver's own where it can't connect
EXAMPLES = 3
_WELL = ("current", "healed")


@dataclass(frozen=True)
class Outcome:
    """The verdict on a target; `matter` says what is the matter, in lines that are alike for the same trouble."""

    target: Target
    verdict: str
    outcome: str
    matter: tuple[str, ...]
    exit_code: int

    @property
    def well(self) -> bool:
        """Whether the schema is what the last revision makes of it."""
        return self.outcome in _WELL


@dataclass(frozen=True)
class Group:
    """Targets with the same trouble, in the order in which they were looked at."""

    outcomes: tuple[Outcome, ...]

    @property
    def first(self) -> Outcome:
        """The first of them: the canary."""
        return self.outcomes[0]

    def as_json(self) -> dict[str, Any]:
        """The group as data for JSON."""
        first = self.first
        return {
            "count": len(self.outcomes),
            "verdict": first.verdict,
            "outcome": first.outcome,
            "matter": [line.strip() for line in first.matter],
            "examples": [outcome.target.name for outcome in self.outcomes[:EXAMPLES]],
            "exit_code": first.exit_code,
        }

    def __str__(self) -> str:
        """The group in words."""
        names = [outcome.target.name for outcome in self.outcomes]
        examples = f"such as {', '.join(names[:EXAMPLES])}" if len(names) > EXAMPLES else ", ".join(names)
        return "\n".join([f"{len(names):,} x {self.first.matter[0]}", *self.first.matter[1:], f"  in: {examples}"])


def outcome_of(target: Target, report: Report) -> Outcome:
    """The outcome that a report stands for."""
    return Outcome(target, str(report.verdict), report.outcome, report.matter, report.exit_code)


def failure_of(target: Target, error: Exception) -> Outcome:
    """The outcome where a target couldn't be looked at or healed."""
    reason = f"PostgreSQL says: {message_of(error)}" if isinstance(error, DBAPIError) else str(error)
    code = error.exit_code if isinstance(error, ReconcileError) else 1
    return Outcome(target, ERROR, ERROR, (f"{ERROR}: {' '.join(reason.split())}",), code)


def grouped(outcomes: Iterable[Outcome]) -> tuple[Group, ...]:
    """Those that aren't well, gathered by what is the matter, the largest groups first."""
    groups: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.well:
            groups.setdefault((outcome.outcome, *outcome.matter), []).append(outcome)
    return tuple(Group(tuple(group)) for group in sorted(groups.values(), key=len, reverse=True))
