"""An Alembic project: its configuration, its chain of revisions, and their tape."""

import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from ..alembic_bridge.environment import raised_by_project
from ..command_line import command
from ..schema.errors import ChainUnreadable
from ..schema.schema import Difference
from .accepted import ACCEPTED_FILE, Accepted, read_accepted
from .configuration import configuration
from .file import read_tape
from .tape import Tape, TapeUnreadable, file_hash, source_hash

_log = logging.getLogger(__name__)
TAPE_FILE = "tape.json"
PROBE_OPTION = "reconcile_probe"  # in the project's alembic.ini: package.module:function
_UNREADABLE = (  # Alembic's warnings that are errors here; other warnings at import are ignored
    r"Revision .* referenced from .* is not present",
    r"Revision .* is present more than once",
)


@dataclass(frozen=True)
class Project:
    """A chain of revisions that can run, and the tape that says what they do.

    `probe` writes as the project's code does, since the catalogs don't show what somebody else's trigger does. It
    raises PostgreSQL's error where that is refused, and returns the writes that had no effect. It is called in a
    savepoint that is rolled back.
    """

    config: Config
    tape: Tape
    probe: Callable[[Connection], str | None] | None = None
    accepted: tuple[Accepted, ...] = ()

    def accepted_of(self, differences: Iterable[Difference]) -> tuple[Difference, ...]:
        """Those of some differences that people have accepted."""
        accepted = {item.difference for item in self.accepted}
        return tuple(item for item in differences if item in accepted)


def open_project(ini: Path, *, arguments: Sequence[str] = ()) -> Project:
    """The project of an `alembic.ini`, its chain checked against its tape.

    Raises:
        ChainUnreadable: a parent is missing, heads have no labels, or a revision isn't what was recorded.
    """
    return project_of(configuration(ini, arguments=arguments))


def project_of(config: Config) -> Project:
    """The project of a configuration, as `open_project` opens it."""
    directory = ScriptDirectory.from_config(config)
    try:
        tape = read_tape(Path(directory.dir) / TAPE_FILE)
    except TapeUnreadable as error:
        chain(config)
        raise ChainUnreadable(str(error).rstrip("."), command("record")) from error
    if not _is_untouched(directory, tape):
        _compare(chain(config), tape)
    return project_with(config, tape)


def project_with(config: Config, tape: Tape) -> Project:
    """The project of a configuration whose tape is at hand."""
    return Project(config, tape, _probe(config), read_accepted(accepted_path(config)))


def _probe(config: Config) -> Callable[[Connection], str | None] | None:
    """The project's own probe, if its alembic.ini names one."""
    named = config.get_main_option(PROBE_OPTION)
    if not named:
        return None
    module, _, function = named.partition(":")

    def probe(connection: Connection) -> str | None:
        """Imports the probe and calls it; a healthy database doesn't need it."""
        try:
            write = getattr(import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise ChainUnreadable(f"{PROBE_OPTION} names {named}, which can't be imported", str(error)) from error
        reason = write(connection)
        return str(reason) if reason else None

    return probe


def _is_untouched(directory: ScriptDirectory, tape: Tape) -> bool:
    """Whether the files equal the recorded ones byte by byte; then none has to be imported."""
    if directory.sourceless or directory.recursive_version_locations:
        return False
    files = [path for path in _files(directory) if not path.name.startswith(("__init__", ".#"))]
    return sorted(map(file_hash, files)) == sorted(revision.file for revision in tape.revisions)


def accepted_path(config: Config) -> Path:
    """The path of the accepted differences, which is beside the tape's."""
    return Path(ScriptDirectory.from_config(config).dir) / ACCEPTED_FILE


def tape_path(config: Config) -> Path:
    """The path of a project's tape, which is beside its env.py."""
    return Path(ScriptDirectory.from_config(config).dir) / TAPE_FILE


def chain(config: Config) -> tuple[Script, ...]:
    """The project's revisions, from the first to the last.

    Raises:
        ChainUnreadable: they can't be read, or end in several heads, not each of which has a branch label.
    """
    directory = ScriptDirectory.from_config(config)
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        for message in _UNREADABLE:
            warnings.filterwarnings("error", message=message)
        try:
            heads = directory.get_heads()
            revisions = tuple(reversed(list(directory.walk_revisions())))
        except Exception as error:
            raise ChainUnreadable(_reason(error, directory), "mend the file") from error
    scripts = [directory.get_revision(head) for head in heads]
    if len(scripts) > 1 and not all(script.branch_labels for script in scripts):
        files = ", ".join(sorted(Path(script.path).name for script in scripts))
        raise ChainUnreadable(
            f"The chain has {len(scripts)} heads, in {files}",
            "join them with `alembic merge heads`, or give each branch a label where they are to stay apart",
        )
    return revisions


def _reason(error: Exception, directory: ScriptDirectory) -> str:
    """The reason why a chain can't be read, with the file: Alembic names only ids, or nothing."""
    message = f"The chain can't be read: {str(error).rstrip('.') or type(error).__name__}"
    named = [path for path in _files(directory) if _is_told_of(path.read_text(errors="replace"), message)]
    return message + (f" (see {', '.join(path.name for path in named)})" if named else "")


def _is_told_of(text: str, message: str) -> bool:
    """Whether a file contains a quotation of the message, or one of its words as a string, such as an id."""
    words = [(word, word.strip("'\"();,.")) for word in message.split()]
    return any(
        f'"{plain}"' in text or f"'{plain}'" in text or (word[0] in "'\"(" and plain in text) for word, plain in words
    )


def _files(directory: ScriptDirectory) -> list[Path]:
    return sorted(path for folder in directory._version_locations for path in Path(folder).glob("*.py"))  # noqa: SLF001


def _compare(revisions: Iterable[Script], tape: Tape) -> None:
    recorded = {revision.id: revision for revision in tape.revisions}
    for script in revisions:
        file = Path(script.path).name
        known = recorded.pop(script.revision, None)
        if known is None and tape.until is not None:
            continue
        if known is None:
            raise ChainUnreadable(f"Revision {script.revision} in {file} isn't on the tape", command("record"))
        if known.source != source_hash(Path(script.path)):
            raise ChainUnreadable(f"{file} was changed after it was recorded", f"restore it, or {command('record')}")
    if recorded:
        raise ChainUnreadable(
            f"No file holds revision {', '.join(recorded)}, which is on the tape", f"restore it, or {command('record')}"
        )


def vouched_by_revision(readings: Iterable[str], connection: Connection, project: Project) -> str | None:
    """The reading whose revision's `verify(connection)` confirms that its rows are moved, if there is one.

    One that fails confirms nothing: it may query objects that don't exist yet.
    """
    directory = ScriptDirectory.from_config(project.config)
    for reading in readings:
        revision = project.tape.by_id.get(reading)
        if revision is not None and revision.verifies:
            savepoint = connection.begin_nested()
            try:
                done = bool(directory.get_revision(reading).module.verify(connection))
            except Exception as error:  # noqa: BLE001 - it is the project's own code
                _log.warning("%s", raised_by_project(error, directory))
                done = False
            finally:
                savepoint.rollback()
            if done:
                return reading
    return None
