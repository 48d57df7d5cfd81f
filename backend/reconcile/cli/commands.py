"""The commands of the command line; each gets its options and returns the exit code."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

from alembic.config import Config
from sqlalchemy import Connection

from ..alembic_bridge.own_connection import on_own_connection
from ..healing import heal as healing
from ..inspection.inspect import inspect
from ..journal.description import describe
from ..journal.journal import Journal
from ..planning.report import Report
from ..schema.errors import ReconcileError
from ..tape.file import read_tape, write_tape
from ..tape.project import Project, chain, tape_path
from ..tape.recording import recorded
from . import many
from .acceptance import with_models
from .choices import choices_of
from .opened import in_project, on_project

_RED, _GREEN, _YELLOW = 31, 32, 33


def status(options: Namespace) -> int:
    """Reports where on the tape the database is."""
    if many.is_many(options):
        return many.status(options)
    return _report(options, inspect)


def plan(options: Namespace) -> int:
    """Reports what a heal would do."""
    if many.is_many(options):
        return many.status(options)
    return _report(options, lambda connection, project: inspect(connection, project, choices_of(options, project)))


def heal(options: Namespace) -> int:
    """Heals, and verifies the result; on any doubt it changes nothing."""
    if options.dry_run:
        return plan(options)
    if many.is_many(options):
        return many.heal(options)
    return _report(
        options,
        lambda connection, project: healing.heal(connection, project, choices_of(options, project)),
        heals=True,
    )


def _report(options: Namespace, work: Callable[[Connection, Project], Report], *, heals: bool = False) -> int:
    report = on_project(options, work, heals=heals)
    print(json.dumps(report.as_json(), indent=1) if options.json else _coloured(report))
    return report.exit_code


def _coloured(report: Report) -> str:
    """The report's text; on a terminal the verdict is green (well), yellow (to do) or red (refused)."""
    words = str(report)
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return words
    colour = _GREEN if report.well else _RED if report.plan.refusal else _YELLOW
    verdict = str(report.verdict)
    return f"\x1b[{colour}m{verdict}\x1b[0m{words.removeprefix(verdict)}"


def record(options: Namespace) -> int:
    """Replays the chain, and writes its tape, or compares it with the file."""
    with in_project(options) as config:
        return _record(options, config)


def _record(options: Namespace, config: Config) -> int:
    chain(config)
    base = options.base.read_text(encoding="utf-8") if options.base else ""

    path = tape_path(config)
    recording = read_tape(path) if options.check and path.is_file() else None
    until, models = (recording.until, recording.models) if recording else (options.to, options.models)
    tape = on_own_connection(
        config,
        lambda connection: recorded(
            config,
            connection,
            base=base,
            until=until,
            scratch=options.scratch,
            finish=partial(with_models, models) if models else None,
        ),
    )
    if not options.check:
        write_tape(tape, path)
    elif not path.is_file() or read_tape(path) != tape:
        raise ReconcileError(f"{path.name} isn't what the revisions do now: record it again.")
    summary: dict[str, Any] = {"tape": path.name, "revisions": len(tape.revisions), "objects": len(tape.end)}
    sentence = f"{path.name}: {summary['revisions']} revisions, {summary['objects']} objects."
    if tape.varying:
        summary["varying"] = [str(key) for key in tape.varying]
        sentence += (
            "\nNote: these are defined otherwise each time the chain is played, and any such definition is taken for"
            f" right: {', '.join(summary['varying'])}."
        )
    if tape.unwatched:
        summary["unwatched"] = list(tape.unwatched)
        sentence += (
            f"\nNote: of the kind of these nobody looks, whether they are there and right: {', '.join(tape.unwatched)}."
        )
    print(json.dumps(summary) if options.json else sentence)
    return 0


def history(options: Namespace) -> int:
    """Prints the last heals."""
    rows = on_project(options, lambda connection, project: Journal(project).history(connection, limit=options.limit))
    if options.json:
        print(json.dumps(rows, indent=1, default=str))
    elif not rows:
        print("No heal is on record.")
    else:
        print("\n".join(line for row in rows for line in _entry_lines(row)))
    return 0


def _entry_lines(row: dict[str, Any]) -> list[str]:
    summary, *details = describe(row)
    lines = [f"{row['id']}  {row['started_at']:%Y-%m-%d %H:%M:%S}  {summary}, on {row['host']}"]
    return lines + [f"     {line}" for line in details]
