"""The commands `status` and `heal` for many databases, or for many schemas of one."""

import json
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection as Pipe
from typing import Any

from sqlalchemy import Connection

from ..inspection.inspect import Choices
from ..many.outcome import Outcome, grouped
from ..many.rollout import Rollout, heal_target, roll_out
from ..many.survey import survey
from ..many.target import Target, addresses_in, schemas_like
from ..many.workers import serve, workers
from ..tape.project import Project
from .choices import choices_of
from .opened import on_project
from .progress import progress


def is_many(options: Namespace) -> bool:
    """Whether the options name more than the project's own database."""
    return bool(options.each or options.schemas)


def status(options: Namespace) -> int:
    """Prints the verdicts, gathered by what is the matter."""
    start = time.monotonic()
    outcomes = on_project(*_opened(options, lambda connection, project: _looked_at(connection, project, options)))
    groups = grouped(outcomes)
    healthy = sum(outcome.well for outcome in outcomes)
    code = max((group.first.exit_code for group in groups), default=0)
    if options.json:
        summary = {"targets": len(outcomes), "healthy": healthy, "groups": [group.as_json() for group in groups]}
        print(json.dumps(summary | {"seconds": round(time.monotonic() - start, 3), "exit_code": code}, indent=1))
    else:
        ill = f", {len(outcomes) - healthy:,} in {len(groups)} groups" if groups else ""
        print("\n\n".join([f"{len(outcomes):,} looked at: {healthy:,} healthy{ill}.", *map(str, groups)]))
    return code


def heal(options: Namespace) -> int:
    """Heals one of each group first, then the rest, and stops at the first surprise."""
    rollout = on_project(*_opened(options, lambda connection, project: _rolled_out(connection, project, options)))
    print(json.dumps(rollout.as_json(), indent=1) if options.json else rollout)
    code: int = rollout.exit_code
    return code


def _opened(options: Namespace, work: Callable[[Connection, Project], Any]) -> tuple[Namespace, Any]:
    """What `on_project` is called with: where no address is given, the first of many leads to the project."""
    if options.each and options.url is None:
        options = Namespace(**vars(options) | {"url": addresses_in(options.each)[0].address})
    return options, work


def _targets(connection: Connection, options: Namespace) -> Sequence[Target]:
    return addresses_in(options.each) if options.each else schemas_like(connection, options.schemas)


def _looked_at(connection: Connection, project: Project, options: Namespace) -> list[Outcome]:
    choices = choices_of(options, project)
    return list(survey(connection, project, _targets(connection, options), choices))


def _rolled_out(connection: Connection, project: Project, options: Namespace) -> Rollout:
    choices = choices_of(options, project)
    outcomes = _looked_at(connection, project, options)
    planned = sum(outcome.outcome == "planned" for outcome in outcomes)
    if options.jobs <= 1 or planned <= 1:
        return roll_out(outcomes, _healer(connection, project, choices))
    with workers(min(options.jobs, planned), _work, options) as heal_some:
        return roll_out(outcomes, heal_some)


def _healer(connection: Connection, project: Project, choices: Choices) -> Any:
    def heal_some(targets: Iterable[Target], go_on: Callable[[], bool]) -> Iterator[Outcome]:
        for target in targets:
            if not go_on():
                return
            yield heal_target(connection, project, target, choices)

    return heal_some


def _work(pipe: Pipe, options: Namespace) -> None:
    """What a worker does."""

    def work(connection: Connection, project: Project) -> None:
        choices = choices_of(options, project)
        serve(pipe, lambda target: heal_target(connection, project, target, choices))

    with progress(verbose=options.verbose, shown=False):
        on_project(*_opened(options, work))
