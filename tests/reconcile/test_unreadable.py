"""A chain that is broken, or isn't the one that was recorded: refused by the file's name, and nothing is touched."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from reconcile.__main__ import main
from reconcile.schema.errors import ChainUnreadable
from reconcile.tape.project import open_project

from .chains import asked, copied_chain, reconcile
from .ours import OF_001, build, seen

FIRST, SECOND = "001_create_audio_files_table.py", "002_add_audio_tags.py"
Break = Callable[[Path], object]


def changed(file: str, old: str, new: str) -> Break:
    def change(versions: Path) -> None:
        path = versions / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def tape(text: str) -> Break:
    return lambda versions: (versions.parent / "tape.json").write_text(text)


def removed(pattern: str) -> Break:
    def remove(versions: Path) -> None:
        for path in [*versions.glob(pattern), *versions.parent.glob(pattern)]:
            path.unlink()

    return remove


def another(name: str, *, revision: str, parent: str) -> Break:
    text = f"revision = {revision!r}\ndown_revision = {parent!r}\n\n\ndef upgrade():\n    pass\n"
    return lambda versions: (versions / name).write_text(text)


def _format_of_tomorrow(versions: Path) -> None:
    path = versions.parent / "tape.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 999}))


BROKEN: dict[str, tuple[Break, str]] = {
    "two heads": (another("003_fork.py", revision="003", parent="001"), "003_fork.py"),
    "a missing parent": (changed(SECOND, 'down_revision = "001"', 'down_revision = "002_add_audio_tags"'), SECOND),
    "an unknown parent": (changed(SECOND, 'down_revision = "001"', 'down_revision = "000"'), SECOND),
    "an id used twice": (another("003_again.py", revision="002", parent="001"), "002"),
    "a revision that follows itself": (changed(SECOND, 'down_revision = "001"', 'down_revision = "002"'), "002"),
    "an edited revision": (changed(SECOND, "sa.String(100)", "sa.String(99)"), SECOND),
    "an edited first revision": (changed(FIRST, '"uploaded", ', ""), FIRST),
    "a syntax error": (changed(SECOND, "def upgrade()", "def upgrade("), SECOND),
    "an import that fails": (changed(SECOND, "import logging\n", "import no_such_module\n"), SECOND),
    "a tape that is no JSON": (tape("<<<<<<< HEAD"), "tape.json"),
    "a tape that is other JSON": (tape("[]"), "tape.json"),
    "a tape cut short": (tape('{"format": 1, "revisions": [{"id": "001"'), "tape.json"),
    "a tape of another format": (_format_of_tomorrow, "tape.json"),
    "a revision that isn't on the tape": (another("003_new.py", revision="003", parent="002"), "003_new.py"),
    "a revision whose file is gone": (removed(SECOND), "002"),
    "no revisions": (removed("00*.py"), "001"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_unreadable(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken chain is refused by a sentence that names the file, with its own exit code."""
    ini = copied_chain(tmp_path)
    break_it, file = BROKEN[name]
    break_it(tmp_path / "alembic" / "versions")
    with pytest.raises(ChainUnreadable) as refused:
        open_project(ini)
    assert file in str(refused.value)
    assert "\n" not in str(refused.value)
    assert main(["status", "-c", str(ini)]) == 23
    said = capsys.readouterr()
    assert said.err == f"unreadable: {refused.value}\n".replace("reconcile record", f"reconcile record -c {ini}")
    assert said.out == ""
    assert main(["status", "--json", "-c", str(ini)]) == 23
    assert json.loads(capsys.readouterr().out)["verdict"] == "unreadable"


def test_no_tape(tmp_path: Path) -> None:
    """A service plays no chain while it starts: without a tape it refuses, and names the file."""
    ini = copied_chain(tmp_path)
    (tmp_path / "alembic" / "tape.json").unlink()
    with pytest.raises(ChainUnreadable, match=r"no tape\.json .* python -m reconcile record$"):
        open_project(ini)


def test_sound_copy(tmp_path: Path) -> None:
    """A copy of the chain that nobody broke is read."""
    assert open_project(copied_chain(tmp_path)).tape.head == "002"


def test_layout_is_no_change(tmp_path: Path) -> None:
    """A comment, a docstring or a line break in a revision makes it no other."""
    ini = copied_chain(tmp_path)
    path = tmp_path / "alembic" / "versions" / SECOND
    text = path.read_text().replace(
        "def upgrade() -> None:", 'def upgrade(\n) -> None:\n    """Says more."""\n    # and more\n'
    )
    path.write_text('"""Another sentence."""\n' + text.partition('"""\n\n')[2])
    assert open_project(ini).tape.head == "002"


@pytest.mark.parametrize("name", ["two heads", "a missing parent", "an edited revision", "a tape that is no JSON"])
def test_nothing_is_touched(name: str, tmp_path: Path, database: str) -> None:
    """The command line exits with 23, without a traceback, and leaves the database as it was."""
    asked(database, partial(build, parts=OF_001, claim=None))
    before = asked(database, seen)
    ini = copied_chain(tmp_path)
    BROKEN[name][0](tmp_path / "alembic" / "versions")
    for arguments in (("status",), ("plan",), ("heal",), ("heal", "--assume", "001")):
        ran = reconcile(*arguments, "-c", str(ini), database=database)
        assert ran.returncode == 23
        assert "Traceback" not in ran.stderr
        assert ran.stderr.count("\n") == 1
    assert asked(database, seen) == before
