"""`pytest --reconcile`: each new revision is broken off after each statement, healed and compared."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import BACKEND

from .new_chains import ALONE, write_chain
from .tenants import new_database

pytestmark = pytest.mark.timeout(300)
WELL, WRONG = 0, 1
CREATED = (
    "CREATE TABLE people (id integer PRIMARY KEY, name varchar(40) NOT NULL)",
    "CREATE TABLE jobs (id integer PRIMARY KEY, owner integer NOT NULL REFERENCES people (id), tries integer)",
)


@pytest.fixture(scope="module")
def address(server_address: str) -> Iterator[str]:
    with new_database(server_address) as address:
        yield address


def rehearsed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs pytest in the folder of a project, without the plugins of ours that would take longer to import than it."""
    left_out = [part for name in ("cacheprovider", "asyncio", "schemathesis") for part in ("-p", f"no:{name}")]
    quiet = ["-q", *left_out, "-o", "testpaths=", "--rootdir", str(folder)]
    variables = {"PYTHONPATH": str(BACKEND), "XDG_CACHE_HOME": str(folder / ".cache")}
    command = [sys.executable, "-m", "pytest", "-p", "reconcile.pytest_plugin", *quiet, *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False)


def test_a_revision_that_heals(address: str, tmp_path: Path) -> None:
    """Where everything heals, as plain Alembic leaves it, with rows in all tables, the last revision passes."""
    statements = (
        "ALTER TABLE jobs ADD COLUMN title varchar(20)",
        "CREATE INDEX ix_title ON jobs (title)",
        "UPDATE jobs SET title = 'job ' || id",
        "ALTER TABLE jobs ALTER title SET NOT NULL",
        "CREATE TABLE logs (id serial PRIMARY KEY, job_id integer REFERENCES jobs (id), at timestamptz DEFAULT now())",
    )
    write_chain(tmp_path, address, {"p1": CREATED, "p2": statements})
    ended = rehearsed(tmp_path, "--reconcile", "-rA")
    assert ended.returncode == WELL, ended.stdout + ended.stderr
    assert "p2.py::p2" in ended.stdout
    assert "p1.py::p1" not in ended.stdout


def test_a_revision_that_cannot_be_healed(address: str, tmp_path: Path) -> None:
    """One that moves rows and then leaves its transaction fails, with a sentence and what to do; others pass."""
    mixed = ("UPDATE jobs SET tries = tries + 1", f"{ALONE}CREATE INDEX CONCURRENTLY ix_tries ON jobs (tries)")
    write_chain(tmp_path, address, {"p1": CREATED, "p2": ("ALTER TABLE jobs ADD COLUMN done boolean",), "p3": mixed})
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["commit", "-qm", "nothing yet", "--allow-empty"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    ended = rehearsed(tmp_path, "--reconcile", "--reconcile-since", "HEAD")
    assert ended.returncode == WRONG, ended.stdout + ended.stderr
    assert "1 failed, 2 passed" in ended.stdout
    assert "p3 broken off after statement 1 of 2, UPDATE jobs SET tries = tries + 1: " in ended.stdout
    assert "the rows of jobs aren't those that `alembic upgrade` alone leaves" in ended.stdout
    assert "Put rows and index into two revisions" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_chain_that_does_not_begin_with_nothing(address: str, tmp_path: Path) -> None:
    """What has to be there before the first revision is given as a file, as it was to record; the refusal says so."""
    base = tmp_path / "base.sql"
    base.write_text(f"{CREATED[0]};")
    added = ("ALTER TABLE people ADD COLUMN age integer", "CREATE INDEX ix_age ON people (age)")
    ini = write_chain(tmp_path, address, {"p1": added})
    given = ("--reconcile-base", str(base))
    ended = rehearsed(tmp_path, "--reconcile", *given)
    assert (ended.returncode, "1 passed" in ended.stdout) == (WELL, True), ended.stdout + ended.stderr
    command = [sys.executable, "-m", "reconcile", "record", "-c", str(ini), "--base", str(base)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(BACKEND)}, check=True, capture_output=True)
    assert "the same file that record had, --reconcile-base FILE" in rehearsed(tmp_path, "--reconcile").stdout
    assert rehearsed(tmp_path, "--reconcile", *given).returncode == WELL


def test_without_the_option(tmp_path: Path) -> None:
    """Without the option nothing is different, wherever pytest runs."""
    (tmp_path / "test_one.py").write_text("def test_one(): pass\n")
    assert "1 passed" in rehearsed(tmp_path).stdout
