"""`python -m storage import`: takes recordings in from files of this machine, by the rules of every upload."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.ingest import ingest_for
from app.storage_factory import OpenedStorage
from audio.intake.duplicates import DuplicateFound
from audio.intake.incoming_upload import IncomingUpload
from audio.intake.ingest import Ingest
from audio.model.audio_file import AudioFile
from audio.model.details import Details
from audio.model.duplicates import DuplicatePolicy
from audio.upkeep import pairing
from commands.recording_files import recording_files, summary
from core.database.engine import Sessions
from core.errors import DatabaseProblem, PegasusError
from core.settings import Settings
from storage.contract import PIECE_BYTES, StorageFull, StorageUnavailable
from storage.threads import in_thread

Bar = Callable[[int], AbstractContextManager[Callable[[int], object]]]
FATAL = (DatabaseProblem, StorageFull, StorageUnavailable)  # the next file would fail as well


@dataclass(frozen=True)
class _Failure:
    path: str
    reason: str


async def import_files(
    options: argparse.Namespace, settings: Settings, storage: OpenedStorage, sessions: Sessions, *, bar: Bar
) -> int:
    """Takes in each file that isn't there yet, by its SHA-256, and returns the exit code. Raises PegasusError."""
    await pairing.ensure_paired(sessions, storage.upkeep())
    ingest = ingest_for(settings, sessions=sessions, storage=storage)
    labels = {name: getattr(options, name) for name in ("tag", "category") if getattr(options, name) is not None}
    sizes = await in_thread(partial(_sizes, options.path))
    counts: Counter[str] = Counter()
    with bar(sum(sizes.values())) as progress:
        for path, size_bytes in sizes.items():
            details = Details(original_filename=path.name, user_id=options.user, labels=labels)
            work = _take_in(ingest, path, details, size_bytes=size_bytes, progress=progress)
            counts[await _outcome(work, path, as_json=options.json)] += 1
    print(json.dumps(counts) if options.json else summary(counts))
    return 1 if counts["failed"] else 0


async def _outcome(work: Awaitable[None], path: Path, *, as_json: bool) -> str:
    try:
        await work
    except DuplicateFound:
        return "there already"
    except FATAL:
        raise
    except (PegasusError, OSError) as error:
        failure = _Failure(str(path), str(error))
        print(json.dumps(vars(failure)) if as_json else f"{path}: {error}", file=sys.stdout if as_json else sys.stderr)
        return "failed"
    return "imported"


async def _take_in(
    ingest: Ingest, path: Path, details: Details, *, size_bytes: int, progress: Callable[[int], object]
) -> None:
    """Raises as `Ingest.admit` and `Ingest.enter` do, also DuplicateFound, and OSError."""
    await ingest.admit(details.user_id, declared_bytes=size_bytes)
    async with ingest.incoming(details=lambda: details) as incoming:
        recording = await in_thread(partial(_publish, ingest, incoming, path, details, progress))
        await ingest.enter(incoming, recording, duplicates=DuplicatePolicy.RETURN)


def _publish(
    ingest: Ingest, incoming: IncomingUpload, path: Path, details: Details, progress: Callable[[int], object]
) -> AudioFile:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            incoming.write(piece)
            progress(len(piece))
    return ingest.publish(incoming, details)


def _sizes(paths: Sequence[Path]) -> dict[Path, int]:
    return {path: path.stat().st_size for path in sorted(recording_files(paths))}
