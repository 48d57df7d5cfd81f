"""Heals many targets: of each group one first, the canary, and then the rest, until the first surprise.

Each heal is one of its own, with its own transaction, lock and entry in the journal. After an interruption the next
rollout finds out by looking what is left to do.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection

from ..healing.heal import heal
from ..inspection.inspect import Choices
from ..tape.project import Project
from .outcome import FAILURES, Group, Outcome, failure_of, grouped, outcome_of
from .target import Target, on_target, project_of_target

PLANNED, HEALED = "planned", "healed"
SURPRISE = 24
# Heals some targets in any order, and asks before each whether to go on.
Healer: TypeAlias = Callable[[Iterable[Target], Callable[[], bool]], Iterator[Outcome]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rollout:
    """What a rollout has come to: `waiting` are targets that weren't begun because of a surprise."""

    seen: int
    healthy: int
    healed: tuple[Group, ...] = ()
    refused: tuple[Group, ...] = ()
    surprises: tuple[Outcome, ...] = ()
    waiting: int = 0

    @property
    def exit_code(self) -> int:
        """0 where all are well now; 24 where a surprise stopped it; else the worst of the verdicts."""
        return SURPRISE if self.surprises else max((group.first.exit_code for group in self.refused), default=0)

    def as_json(self) -> dict[str, Any]:
        """The rollout as data for JSON."""
        return {
            "targets": self.seen,
            "healthy": self.healthy,
            "healed": [group.as_json() for group in self.healed],
            "refused": [group.as_json() for group in self.refused],
            "surprises": [Group((surprise,)).as_json() for surprise in self.surprises],
            "waiting": self.waiting,
            "exit_code": self.exit_code,
        }

    def __str__(self) -> str:
        """The rollout in words."""
        healed, refused = (sum(len(group.outcomes) for group in groups) for groups in (self.healed, self.refused))
        counts = f"{healed:,} healed, {refused:,} refused"
        parts = [f"{self.seen:,} looked at: {self.healthy:,} were healthy, {counts}."]
        parts += [f"Healed: {group}" for group in self.healed]
        parts += [f"Refused, nothing was changed: {group}" for group in self.refused]
        if self.surprises:
            parts.append(f"Stopped at a surprise; {self.waiting:,} weren't begun:")
            parts += [str(Group((surprise,))) for surprise in self.surprises]
        return "\n\n".join(parts)


def roll_out(outcomes: Sequence[Outcome], heal_some: Healer) -> Rollout:
    """Heals the targets of the outcomes of a survey that a heal was planned for."""
    groups = grouped(outcomes)
    planned = [group for group in groups if group.first.outcome == PLANNED]
    expected = {outcome.target: outcome for group in planned for outcome in group.outcomes}
    healed, surprises = list[Outcome](), list[Outcome]()
    canaries = [group.first.target for group in planned]
    rest = [outcome.target for group in planned for outcome in group.outcomes[1:]]
    for targets in (*([canary] for canary in canaries), rest):
        for outcome in heal_some(targets, lambda: not surprises):
            _log.info("%d of %d: %s", len(healed) + 1, len(expected), outcome.target.name)
            is_as_before = outcome.outcome == HEALED and outcome.matter == expected[outcome.target].matter
            if outcome.well:
                healed.append(outcome)
            if not (is_as_before or outcome.outcome == "current"):
                surprises.append(outcome)
    return Rollout(
        seen=len(outcomes),
        healthy=sum(outcome.well for outcome in outcomes),
        healed=_as_planned(planned, healed),
        refused=tuple(group for group in groups if group not in planned),
        surprises=tuple(surprises),
        waiting=len(expected) - len({outcome.target for outcome in (*healed, *surprises)}),
    )


def _as_planned(planned: Iterable[Group], healed: Iterable[Outcome]) -> tuple[Group, ...]:
    """The healed targets by what was the matter."""
    targets = {outcome.target for outcome in healed}
    groups = (Group(tuple(one for one in group.outcomes if one.target in targets)) for group in planned)
    return tuple(group for group in groups if group.outcomes)


def heal_target(connection: Connection, project: Project, target: Target, choices: Choices) -> Outcome:
    """Heals one target, whatever becomes of it."""
    try:
        with on_target(connection, target) as own:
            return outcome_of(target, heal(own, project_of_target(project, target), choices))
    except FAILURES as error:
        return failure_of(target, error)
