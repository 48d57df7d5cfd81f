"""The command line `python -m storage {verify,sweep,adopt,rebuild,copy,import}`, on what the settings name.

The exit code is 0 on success, 1 when something is wrong or failed, 2 for wrong arguments.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from app.storage_factory import OpenedStorage, open_storage
from audio.upkeep import pairing, row_paths
from audio.upkeep.manifest_repair import Manifests
from audio.upkeep.rebuild import Rebuild, RebuildTally
from audio.upkeep.sweeper import Sweeper
from audio.upkeep.verification import Tally, Verification, Wrong
from commands.recording_files import missing_paths
from commands.storage_copy import copy
from commands.storage_import import import_files
from core.database.engine import Sessions, database_address, is_pooled, open_engine, sessions_on
from core.errors import PegasusError
from core.settings import Settings, load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.run is import_files and (problem := missing_paths(options.path)) is not None:
        parser.error(problem)
    try:
        code: int = asyncio.run(_run(options))
    except PegasusError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return code


async def _run(options: argparse.Namespace) -> int:
    settings = load_settings()
    code: int
    if options.run is copy:  # it needs no database
        code = await copy(options, settings, bar=_progress)
        return code
    storage = open_storage(settings)
    await storage.check()
    async with _sessions(settings) as sessions:
        if options.run is import_files:
            code = await import_files(options, settings, storage, sessions, bar=_progress)
        else:
            code = await options.run(options, storage, sessions)
    return code


@asynccontextmanager
async def _sessions(settings: Settings) -> AsyncIterator[Sessions]:
    address = await asyncio.to_thread(database_address, settings)
    engine = open_engine(address, pooled=is_pooled(settings))
    try:
        yield sessions_on(engine, address)
    finally:
        await engine.dispose()


async def verify(options: argparse.Namespace, storage: OpenedStorage, sessions: Sessions) -> int:
    """Prints each recording that isn't as it was uploaded, with what is wrong."""
    upkeep = storage.upkeep()
    await pairing.ensure_paired(sessions, upkeep, dry_run=True)
    with _progress((await row_paths.extent(sessions))[1]) as progress:
        verification = Verification(sessions=sessions, storage=storage, upkeep=upkeep, progress=progress)
        async with aclosing(verification.wrong()) as faults:
            async for wrong in faults:
                print(_line(wrong, as_json=options.json))
        tally = verification.tally
    print(json.dumps(asdict(tally)) if options.json else _summary(tally))
    return 1 if tally.wrong else 0


def _progress(total_bytes: int) -> AbstractContextManager[Callable[[int], object]]:
    """A progress bar in bytes."""
    return _bar(total_bytes, DownloadColumn(binary_units=True), TransferSpeedColumn())


@contextmanager
def _bar(total: int, *columns: ProgressColumn) -> Iterator[Callable[[int], object]]:
    """A progress bar on a terminal, otherwise nothing; output is printed above it."""
    console = Console(stderr=True)
    all_columns = (BarColumn(None), *columns, TimeRemainingColumn())
    same_terminal = sys.stdout.isatty()
    with Progress(*all_columns, console=console, disable=not console.is_terminal, redirect_stdout=same_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.advance(task, done)


def _line(wrong: Wrong, *, as_json: bool) -> str:
    recording = None if wrong.recording_id is None else str(wrong.recording_id)
    if as_json:
        return json.dumps({"fault": wrong.fault, "path": wrong.path, "recording": recording})
    return f"{wrong.fault}: {wrong.path} ({f'recording {recording}' if recording else 'without a row'})"


def _summary(tally: Tally) -> str:
    outcome = f"{tally.wrong} not as they came in" if tally.wrong else "all there, as they came in"
    lines = [f"{tally.recordings} recordings, {tally.size_bytes} bytes read: {outcome}."]
    if tally.without_manifest:
        lines.append(f"{tally.without_manifest} from before there were manifests: nothing but their size is known.")
    if tally.without_row:
        lines.append(f"{tally.without_row} in storage without a row: see python -m storage sweep --dry-run")
    return "\n".join(lines)


async def sweep(options: argparse.Namespace, storage: OpenedStorage, sessions: Sessions) -> int:
    """Sweeps once, as the server does regularly."""
    manifests = Manifests(sessions=sessions, storage=storage)
    sweeper = Sweeper(sessions=sessions, upkeep=storage.upkeep(), manifests=manifests)
    report = await sweeper.sweep(dry_run=options.dry_run, consent=options.yes, every_manifest=options.manifests)
    if report is None:
        return 0
    print(json.dumps(report.as_json()) if options.json else report)
    return 1 if report.stopped or report.rows_without_bytes else 0


async def adopt(options: argparse.Namespace, storage: OpenedStorage, sessions: Sessions) -> int:
    """Pairs this database and this storage, whatever either was paired with before."""
    identity, meeting = await pairing.accept(sessions, storage.upkeep())
    if options.json:
        print(json.dumps({"id": str(identity)} | asdict(meeting)))
        return 0
    print(f"This database and this storage belong together from now on, as {identity}.")
    print(f"Of {meeting.looked_up} recordings that were looked up, {meeting.found} have their bytes here.")
    if not meeting.looked_up and meeting.any_files:
        print("Storage has files, and the database has no recordings: the sweeper will take them for left over.")
    return 0


async def rebuild(options: argparse.Namespace, storage: OpenedStorage, sessions: Sessions) -> int:
    """Inserts a row for each recording in storage that has none, and prints those that can't be rebuilt."""
    upkeep = storage.upkeep()
    await pairing.pair_for_rebuild(sessions, upkeep)
    with _bar(await row_paths.stored(upkeep), MofNCompleteColumn()) as progress:
        work = Rebuild(sessions=sessions, storage=storage, upkeep=upkeep, progress=progress, verify=options.verify)
        async with aclosing(work.run()) as failures:
            async for failure in failures:
                line = f"{failure.obstacle}: {failure.path}"
                print(json.dumps(asdict(failure)) if options.json else line)
    print(json.dumps(asdict(work.tally)) if options.json else _rebuilt(work.tally))
    return 1 if work.tally.not_rebuilt else 0


def _rebuilt(tally: RebuildTally) -> str:
    lines = [f"{tally.recordings} recordings in storage: {tally.rebuilt} got their rows back."]
    if tally.already_there:
        lines.append(f"{tally.already_there} had theirs, which were left as they are.")
    if tally.enqueued:
        lines.append(f"{tally.enqueued} weren't processed to their end, and will be.")
    if tally.not_rebuilt:
        lines.append(f"{tally.not_rebuilt} couldn't be given back, for the reasons above.")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m storage", description="Proves and tidies what is stored.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the answer as JSON")
    names = parser.add_subparsers(required=True, metavar="{verify,sweep,adopt,rebuild,copy,import}")
    verifying = names.add_parser("verify", parents=[common], help="read every recording and compare its digest")
    verifying.set_defaults(run=verify)
    sweeping = names.add_parser("sweep", parents=[common], help="put aside what has been left over for half a minute")
    sweeping.add_argument("--dry-run", action="store_true", help="only say what is there")
    sweeping.add_argument("--yes", action="store_true", help="also where more is left over than crashes explain")
    sweeping.add_argument("--manifests", action="store_true", help="compare every manifest with its row, not new ones")
    sweeping.set_defaults(run=sweep)
    adopting = names.add_parser("adopt", parents=[common], help="accept that database and storage belong together")
    adopting.set_defaults(run=adopt)
    rebuilding = names.add_parser("rebuild", parents=[common], help="give the table back what storage alone still has")
    rebuilding.add_argument("--verify", action="store_true", help="read every recording and compare its digest, too")
    rebuilding.set_defaults(run=rebuild)
    copying = names.add_parser("copy", parents=[common], help="copy all recordings into another storage")
    where = "local, s3 (as STORAGE says) or s3://bucket/prefix"
    copying.add_argument("--from", dest="source", required=True, metavar="STORAGE", help=where)
    copying.add_argument("--to", dest="target", required=True, metavar="STORAGE", help=where)
    copying.set_defaults(run=copy)
    importing = names.add_parser("import", parents=[common], help="take in recordings from files of this machine")
    importing.add_argument("path", nargs="+", type=Path, help="a file, or a folder with recordings in it")
    importing.add_argument("--tag", help="the tag of all of them")
    importing.add_argument("--category", help="the category of all of them")
    importing.add_argument("--user", help="the user whose recordings they are")
    importing.set_defaults(run=import_files)
    return parser
