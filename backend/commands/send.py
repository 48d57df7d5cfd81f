"""The command line `python -m commands.send`: uploads files, and what is in folders, to a server.

What the server has already, by its SHA-256, isn't sent again. The exit code is 0 when all is there, 1 when something
isn't, 2 for wrong arguments.
"""

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from commands.recording_files import missing_paths, recording_files, summary
from commands.upload_client import LocalFile, ServerUnreachable, UnfinishedUploads, UploadClient
from core.errors import PegasusError

ADDRESS = "http://127.0.0.1:8000"
WATCH_SECONDS = 2.0
TIMEOUT = httpx.Timeout(30, read=300)  # a large upload's last answer comes once all of it is durable


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (problem := missing_paths(options.path)) is not None:
        parser.error(problem)
    token = os.environ.get("TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    labels = {name: text for name in ("tag", "category") if (text := getattr(options, name))}
    unfinished = UnfinishedUploads(_state_folder() / f"{urlsplit(options.to).netloc.replace(':', '_')}.json")
    with httpx.Client(base_url=options.to.rstrip("/"), headers=headers, timeout=TIMEOUT) as http:
        sending = _Sending(UploadClient(http=http, unfinished=unfinished, labels=labels), dry_run=options.dry_run)
        try:
            code = _watch(sending, options.path) if options.watch else sending.send(recording_files(options.path))
        except KeyboardInterrupt:
            code = 130
        except PegasusError as error:
            print(error, file=sys.stderr)
            code = 1
    print(summary(sending.counts))
    return code


def _watch(sending: "_Sending", paths: Sequence[Path]) -> int:
    """Sends what comes, until Ctrl-C or SIGTERM; a server that is away is waited for."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    is_away = False
    with suppress(KeyboardInterrupt):
        while True:
            try:
                sending.send(recording_files(paths), settled=True)
                is_away = False
            except ServerUnreachable as error:
                if not is_away:
                    print(f"{error} It is tried again.", file=sys.stderr)
                is_away = True
            time.sleep(WATCH_SECONDS)
    return sending.code


@dataclass
class _Sending:
    """Sends files one after the other, each once, and counts what became of them."""

    client: UploadClient
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)
    _done: set[tuple[Path, int, int]] = field(default_factory=set)
    _seen: set[tuple[Path, int, int]] = field(default_factory=set)

    @property
    def code(self) -> int:
        """The exit code."""
        return 1 if self.counts["failed"] else 0

    def send(self, paths: Iterator[Path], *, settled: bool = False) -> int:
        """Sends those that weren't sent yet; with `settled` only those that are as they were at the call before.

        Returns the exit code. Raises ServerUnreachable, or UploadRefused where no file would be taken.
        """
        seen = {version for path in paths if (version := _version(path)) is not None}
        new = sorted(seen - self._done if not settled else (seen & self._seen) - self._done)
        self._seen = seen
        if new:
            with _bar(sum(size for _, size, _ in new)) as bar:
                self._send_all(new, bar)
        return self.code

    def _send_all(self, versions: Sequence[tuple[Path, int, int]], bar: Progress) -> None:
        task = bar.add_task("", total=sum(size for _, size, _ in versions))
        before = 0
        for version in versions:
            path, size, _ = version
            bar.update(task, description=path.name)

            def show(position: int, start: int = before) -> None:
                bar.update(task, completed=start + position)

            try:
                outcome = self._send(path, show)
            except ServerUnreachable:
                raise
            except (PegasusError, OSError) as error:
                print(f"{path}: {error}", file=sys.stderr)
                outcome = "failed"
            self.counts[outcome] += 1
            self._done.add(version)
            before += size
            bar.update(task, completed=before)

    def _send(self, path: Path, progress: Callable[[int], object]) -> str:
        file = LocalFile.read(path)
        if self.client.find(file) is not None:
            return "there already"
        if self.dry_run:
            print(path)
            return "to be sent"
        self.client.upload(file, progress=progress)
        return "sent"


def _version(path: Path) -> tuple[Path, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return path, status.st_size, status.st_mtime_ns


def _bar(total_bytes: int) -> Progress:
    """A progress bar on a terminal, otherwise nothing; output is printed above it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(None), DownloadColumn(binary_units=True))
    return Progress(
        *columns,
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal or not total_bytes,
    )


def _state_folder() -> Path:
    """See the XDG Base Directory Specification."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "pegasus"


def _address(text: str) -> str:
    """Raises ArgumentTypeError: what can't be asked isn't asked again and again."""
    with suppress(httpx.InvalidURL):
        url = httpx.URL(text)
        if url.scheme in {"http", "https"} and url.host:
            return text
    raise argparse.ArgumentTypeError(f"{text} is no address of a server, as {ADDRESS} is one")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m commands.send",
        description="Uploads recordings to a server. What it has already isn't sent again; a token is in TOKEN.",
    )
    parser.add_argument("path", nargs="+", type=Path, help="a file, or a folder with recordings in it")
    parser.add_argument(
        "--to",
        type=_address,
        default=os.environ.get("PEGASUS_URL", ADDRESS),
        metavar="URL",
        help=f"the server ({ADDRESS})",
    )
    parser.add_argument("--tag", help="the tag of all of them")
    parser.add_argument("--category", help="the category of all of them")
    parser.add_argument("--watch", action="store_true", help="go on with what comes into the folders, until Ctrl-C")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    return parser


if __name__ == "__main__":
    sys.exit(main())
