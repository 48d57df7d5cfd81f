"""The command `check`: what can be said of revisions before they run anywhere."""

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alembic.script import Script

from ..rehearsal.locks import Impact, advice_for, impacts_of
from ..rehearsal.new_revisions import new_since
from ..tape.project import chain, project_of, tape_path
from ..tape.tape import Tape
from .opened import in_project, on_project

OBJECTIONABLE = 25
_SQL_SHOWN = 100


def check(options: Namespace) -> int:
    """Prints the locks of new revisions and what had better be two; fails where the tape on file is stale."""
    with in_project(options) as config:
        revisions = chain(config)
        tape = project_of(config).tape if tape_path(config).is_file() else None
    if tape is None:
        tape = on_project(options, lambda _, project: project.tape)
    new = new_since(options.since, revisions) if options.since else revisions
    checked = [(script, impacts_of(tape.by_id[script.revision], tape), _advice(script, tape)) for script in new]
    objections = sum(len(advice) + sum(impact.is_long for impact in impacts) for _, impacts, advice in checked)
    code = OBJECTIONABLE if options.strict and objections else 0
    if options.json:
        revisions_as_json = [_as_json(script, impacts, advice) for script, impacts, advice in checked]
        print(json.dumps({"revisions": revisions_as_json, "objections": objections, "exit_code": code}, indent=1))
        return code
    for line in (line for one in checked for line in _lines(*one)):
        print(line)
    print(f"{len(new)} of {len(revisions)} revisions checked: {objections or 'no'} objections.")
    return code


def _advice(script: Script, tape: Tape) -> tuple[str, ...]:
    return advice_for(tape.by_id[script.revision])


def _lines(script: Script, impacts: Sequence[Impact], advice: Sequence[str]) -> list[str]:
    if not (impacts or advice):
        return []
    lines = [f"{script.revision}, in {Path(script.path).name}:"]
    for impact in impacts:
        shown = impact.sql if len(impact.sql) <= _SQL_SHOWN else f"{impact.sql[:_SQL_SHOWN]} …"
        lines += [f"  {'!' if impact.is_long else ' '} {impact}", f"      {shown}"]
    return [*lines, *(f"  ! {sentence}" for sentence in advice)]


def _as_json(script: Script, impacts: Sequence[Impact], advice: Sequence[str]) -> dict[str, Any]:
    return {
        "revision": script.revision,
        "file": Path(script.path).name,
        "tables": [
            {"table": it.table, "lock": str(it.lock), "work": it.work, "long": it.is_long, "sql": it.sql}
            for it in impacts
        ],
        "advice": list(advice),
    }
