"""The command line: `python -m reconcile {status,plan,heal,record} [-c alembic.ini] [--json]`.

It works on any Alembic project on PostgreSQL, and connects the way the project's own env.py does. The exit code is 0
when all is well; reconcile/report.py has one for each verdict.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from reconcile.errors import ReconcileError
from reconcile.heal import heal, look, message_of
from reconcile.observe import VersionTable
from reconcile.project import (
    ChainUnreadable,
    chain,
    configuration,
    on_own_connection,
    open_project,
    tape_path,
)
from reconcile.record import record
from reconcile.report import Report
from reconcile.scratch import scratch_database
from reconcile.tape import Tape
from reconcile.tape_file import tape_text, write_tape


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and answers with the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    try:
        if options.command == "record":
            return _record(options)
        return _report(options)
    except (ReconcileError, CommandError) as error:
        verdict = "unreadable" if isinstance(error, ChainUnreadable) else "error"
        if options.json:
            print(json.dumps({"verdict": verdict, "outcome": "refused", "reason": str(error)}))
        else:
            print(f"{verdict}: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, ReconcileError) else 1
    except DBAPIError as error:
        print(f"error: PostgreSQL says: {message_of(error)}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reconcile",
        description="Finds out at which revision a database really is, and heals it.",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-c", "--config", type=Path, default=Path("alembic.ini"), help="the project's alembic.ini")
    common.add_argument("--json", action="store_true", help="print the report as JSON")
    common.add_argument("-v", "--verbose", action="store_true", help="also print what Alembic logs")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{status,plan,heal,record}")
    commands.add_parser("status", parents=[common], help="say where the database is")
    for name, explanation in (("plan", "say what would be done"), ("heal", "do it, verified, or nothing")):
        command = commands.add_parser(name, parents=[common], help=explanation)
        command.add_argument(
            "--assume", metavar="REVISION", help="the revision the database is at, where it can't be told"
        )
    commands.choices["heal"].add_argument("--dry-run", action="store_true", help="the same as plan")
    recording = commands.add_parser("record", parents=[common], help="replay the chain and write its tape")
    recording.add_argument("--check", action="store_true", help="only say whether the tape on file is what is played")
    return parser


def _report(options: argparse.Namespace) -> int:
    project = open_project(options.config)

    def work(connection: Connection) -> Report:
        assume = getattr(options, "assume", None)
        if assume is not None and assume not in project.tape.ids:
            raise ReconcileError(f"There is no revision {assume}; there are {', '.join(project.tape.ids)}.")
        if options.command == "heal" and not options.dry_run:
            return heal(connection, project, assume=assume)
        return look(connection, project, assume=assume)

    report = on_own_connection(project.config, work)
    print(json.dumps(report.as_json(), indent=1) if options.json else report)
    return report.exit_code


def _record(options: argparse.Namespace) -> int:
    config = configuration(options.config)
    chain(config)

    def work(connection: Connection) -> Tape:
        with scratch_database(connection) as scratch:
            return record(config, scratch, versions=VersionTable())

    tape, path = on_own_connection(config, work), tape_path(config)
    if not options.check:
        write_tape(tape, path)
    elif not path.is_file() or path.read_text(encoding="utf-8") != tape_text(tape):
        raise ReconcileError(f"{path.name} isn't what the revisions do now: record it again.")
    summary = {"tape": path.name, "revisions": len(tape.revisions), "objects": len(tape.end)}
    print(
        json.dumps(summary)
        if options.json
        else f"{path.name}: {summary['revisions']} revisions, {summary['objects']} objects."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
