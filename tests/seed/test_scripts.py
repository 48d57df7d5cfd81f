"""The scripts say what they do before they do it: `--help`, `--dry-run`, and a Python that lacks what they need."""

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.reconcile.ours import OF_001, build, seen, versions

from .conftest import Checkout

SCRIPTS = ("fix_migration_state", "init_db", "resolve_migration_error", "test_upload_endpoint", "verify_migration")
CHANGING = ("fix_migration_state", "init_db", "resolve_migration_error")


@pytest.mark.parametrize("name", [*SCRIPTS, "main"])
def test_help_only_helps(name: str, on_server: Checkout) -> None:
    """`--help` says what a script is for, and neither heals nor makes a table."""
    ran = on_server.here(f"python3 {name}.py --help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ("--dry-run" in ran.stdout) == (name in CHANGING)
    assert on_server.ask(seen) == frozenset()


@pytest.mark.parametrize("address", ["localhost:8000", "http://a:b"])
def test_an_address_that_is_none_is_told(address: str, on_server: Checkout) -> None:
    """The upload's check says in a sentence that it can ask no such address."""
    ran = on_server.here(f"python3 test_upload_endpoint.py {address}")
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "The server doesn't answer" in ran.stderr


@pytest.mark.parametrize("name", [*SCRIPTS, "main"])
def test_a_flag_that_is_not_there_is_refused(name: str, on_server: Checkout) -> None:
    """What a script doesn't know ends it with its usage, before anything is done."""
    ran = on_server.here(f"python3 {name}.py --no-such-flag")
    assert ran.returncode == 2
    assert f"{name}.py" in ran.stdout + ran.stderr
    assert on_server.ask(seen) == frozenset()


@pytest.mark.parametrize(
    "command", ["fix_migration_state.py", "fix_migration_state.py --stamp-only", "resolve_migration_error.py"]
)
def test_a_dry_run_tells_and_changes_nothing(command: str, on_server: Checkout) -> None:
    """`--dry-run` says what is missing, and leaves tables, rows and record as they were."""
    on_server.ask(partial(build, parts=OF_001, claim=None))
    before = on_server.ask(seen)
    ran = on_server.here(f"python3 {command} --dry-run")
    assert "001" in ran.stdout
    assert "Verified" not in ran.stdout
    assert on_server.ask(seen) == before
    assert on_server.ask(versions) is None


def test_init_db_says_what_is_on_record(on_server: Checkout) -> None:
    """It says what it would make, makes it, and tells the truth about Alembic's record, before a heal and after."""
    assert on_server.here("python3 init_db.py --dry-run").stdout == "Would make: audio_files.\n"
    assert on_server.ask(seen) == frozenset()
    assert "Alembic has no record of it" in on_server.here("python3 init_db.py").stdout
    assert on_server.here("python3 resolve_migration_error.py").returncode == 0
    assert on_server.ask(versions) == ["002"]
    assert "Alembic has it on record at 002, which is where it is." in on_server.here("python3 init_db.py").stdout
    assert on_server.here("python3 init_db.py --dry-run").stdout == "Would make nothing: the tables are there.\n"


@pytest.mark.parametrize("name", [*SCRIPTS, "main"])
def test_a_python_without_the_packages_is_told_the_way(name: str, copied: Path) -> None:
    """A Python that lacks what Pegasus needs ends with how to get it, and no traceback."""
    ran = subprocess.run(
        [sys.executable, "-S", f"{name}.py"], cwd=copied / "backend", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "make run" in ran.stderr
    assert "python3 -m venv .venv" in ran.stderr
    (copied / ".venv/bin").mkdir(parents=True)
    shutil.copy(copied / ".env", copied / ".venv/bin/activate")
    again = subprocess.run(
        [sys.executable, "-S", f"{name}.py"], cwd=copied / "backend", capture_output=True, text=True, check=False
    )
    assert again.stderr.rstrip().endswith(f"source {copied}/.venv/bin/activate")
