"""The command line: `python -m reconcile {status,plan,heal,record,check,history} [-c alembic.ini] [--json]`.

It works on any Alembic project on PostgreSQL, and connects the way the project's own env.py does. The exit code is 0
when all is well; reconcile/planning/report.py has one for each verdict.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from .cli import acceptance, check, commands
from .cli.progress import progress
from .command_line import PROGRAM, project_options
from .inspection.inspect import ROW_LIMIT
from .schema.errors import ChainUnreadable, ReconcileError
from .schema.postgres_errors import message_of
from .tape.configuration import SECTION


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, and returns the exit code."""
    options = _parser().parse_args(arguments)
    token = project_options.set(_of_the_project(options))
    try:
        with progress(verbose=options.verbose):
            code: int = options.run(options)
    except ChainUnreadable as error:
        return _fail(options, str(error), error.exit_code, verdict="unreadable")
    except ReconcileError as error:
        return _fail(options, str(error), error.exit_code)
    except CommandError as error:
        return _fail(options, str(error), 1)
    except DBAPIError as error:
        return _fail(options, f"PostgreSQL says: {message_of(error)}", 1)
    except Exception as error:
        if options.verbose:
            raise
        reason = f"{type(error).__name__}: {error}"
        return _fail(options, f"{reason}. Please report this, with what --verbose prints", 1, verdict="unexpected")
    finally:
        project_options.reset(token)
    return code


def _of_the_project(options: argparse.Namespace) -> list[str]:
    """The options that named the project."""
    url = options.url and options.url.render_as_string()  # with *** for a password
    section = None if options.name == SECTION else options.name
    pairs = [("-c", options.config), ("-n", section), ("--app", options.app), ("--url", url)]
    pairs += [("-x", argument) for argument in options.x or ()]
    return [str(part) for option, value in pairs if value is not None for part in (option, value)]


def _address(text: str) -> URL:
    try:
        return make_url(text)
    except ArgumentError:
        raise argparse.ArgumentTypeError("it isn't an address such as postgresql+psycopg://user@host/name") from None


def _fail(options: argparse.Namespace, text: str, code: int, *, verdict: str = "error") -> int:
    reason = " ".join(text.split())
    if options.json:
        print(json.dumps({"verdict": verdict, "outcome": "refused", "reason": reason, "exit_code": code}))
    else:
        print(f"{verdict}: {reason}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Finds out at which revision a database really is, and heals it.",
    )
    common = argparse.ArgumentParser(add_help=False)
    project = common.add_argument_group("the project, where the working directory doesn't tell")
    project.add_argument("-c", "--config", type=Path, help="its alembic.ini or pyproject.toml, or the folder with it")
    project.add_argument("-n", "--name", default=SECTION, help="the section of that file, as Alembic has it")
    project.add_argument("-x", action="append", metavar="NAME=VALUE", help="an argument for env.py, as Alembic has it")
    project.add_argument("--app", metavar="MODULE:NAME", help="the application, or what makes it, that env.py needs")
    project.add_argument("--url", type=_address, metavar="ADDRESS", help="the database, in place of sqlalchemy.url")
    common.add_argument(
        "--scratch",
        type=_address,
        metavar="ADDRESS",
        help="the server to play the chain on, in databases of its own; else the project's, else one of its own",
    )
    common.add_argument("--json", action="store_true", help="print the answer as JSON")
    common.add_argument("-v", "--verbose", action="store_true", help="also print what Alembic logs")

    choosing = argparse.ArgumentParser(add_help=False)
    choosing.add_argument(
        "--assume",
        metavar="REVISION",
        help="where the database is, when it can't be told; of branches REVISION,REVISION",
    )
    choosing.add_argument("--row-limit", type=int, default=ROW_LIMIT, help="more rows make a table large")
    choosing.add_argument("--yes", action="store_true", help="also read or rewrite large tables as a whole")

    several = argparse.ArgumentParser(add_help=False)
    group = several.add_argument_group(
        "many of them, in place of the project's own database"
    ).add_mutually_exclusive_group()
    group.add_argument("--each", type=Path, metavar="FILE", help="databases: a file with an address a line")
    group.add_argument("--schemas", metavar="PATTERN", help="schemas, each with a version table, such as 'tenant_*'")

    commands_named = "{status,plan,heal,record,accept,check,history}"
    names = parser.add_subparsers(dest="command", required=True, metavar=commands_named)
    status = names.add_parser("status", parents=[common, several], help="say where the database is")
    status.set_defaults(run=commands.status)
    plan = names.add_parser("plan", parents=[common, several, choosing], help="say what would be done")
    plan.set_defaults(run=commands.plan)
    heal = names.add_parser("heal", parents=[common, several, choosing], help="do it, verified, or nothing")
    heal.add_argument("--dry-run", action="store_true", help="the same as plan")
    heal.add_argument("--jobs", type=int, default=1, help="how many of many to heal at a time")
    heal.set_defaults(run=commands.heal)
    record = names.add_parser("record", parents=[common], help="replay the chain and write its tape")
    record.add_argument("--check", action="store_true", help="only say whether the tape on file is what is played")
    record.add_argument("--base", type=Path, metavar="SQL_FILE", help="what must be there before the first revision")
    record.add_argument("--models", metavar="MODULE:NAME", help="metadata whose create_all makes an end as good")
    record.add_argument("--to", metavar="REVISION", help="how far, where the chain doesn't run to its end")
    record.set_defaults(run=commands.record)
    accept = names.add_parser("accept", parents=[common], help="write down that what differs is fine")
    accept.add_argument("objects", nargs="*", metavar="OBJECT", help="such as 'index ix_notes_title'; else all")
    accept.add_argument("--reason", required=True, help="why it is fine, for those who review it")
    accept.add_argument("--by", help="who says so; else the user")
    accept.add_argument("--yes", action="store_true", help="also what the code can't seem to work with")
    accept.set_defaults(run=acceptance.accept)
    checked = names.add_parser("check", parents=[common], help="say what revisions lock, and what had better be two")
    checked.add_argument("--since", metavar="COMMIT", help="only revisions that are new since a commit; else all")
    checked.add_argument("--strict", action="store_true", help="fail where somebody would wait, or two are better")
    checked.set_defaults(run=check.check)
    history = names.add_parser("history", parents=[common], help="show what was healed")
    history.add_argument("--limit", type=int, default=20, help="how many heals, the newest first")
    history.set_defaults(run=commands.history)
    return parser


if __name__ == "__main__":
    sys.exit(main())
