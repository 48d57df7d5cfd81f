"""The command line in processes of its own, where nothing is installed but SQLAlchemy, Alembic and psycopg."""

import subprocess

import pytest

from .bare import PYTHON, alone, environment
from .case import Case
from .test_cases import CASES
from .trial import Bench, Trial


@pytest.mark.parametrize("module", ["asyncpg", "greenlet"])
def test_nothing_else_is_there(module: str) -> None:
    """What an asyncio project has besides can't be what the healer needs."""
    found = subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    assert f"No module named '{module}'" in found.stderr


def test_help() -> None:
    """It says what it can do, and nothing breaks where there is no project."""
    helped = subprocess.run(
        [PYTHON, "-m", "reconcile", "--help"], env=environment(), capture_output=True, text=True, check=False
    )
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "status" in helped.stdout


@pytest.mark.parametrize("env", ["template", "given", "transaction_per_migration"])
def test_from_nothing_to_the_head(env: str, bench: Bench) -> None:
    """A project records its chain, looks, heals and looks again; each is a process, as a script calls it."""
    case = Case(
        id=env,
        why="",
        env=env,
        revisions=next(case for case in CASES if case.id == "constraint-of-another-name, foreign key").revisions,
        right=("healed",),
    )
    with bench.server.database() as database:
        trial = Trial(case, bench, database)
        trial.write_project()

        def call(*arguments: str) -> tuple[int, str, str]:
            ran = alone("reconcile", *arguments, folder=trial.folder, CASE_DATABASE=trial.url)
            return ran.returncode, ran.stdout.partition(":")[0], ran.stderr

        assert call("record") == (0, "tape.json", "")
        assert call("record", "--check") == (0, "tape.json", "")
        assert call("status") == (13, "empty", "")
        assert call("plan") == (13, "empty", "")
        assert call("heal") == (0, "empty", "")
        assert call("status") == (0, "current", "")
        assert call("heal") == (0, "current", "")
        history = alone("reconcile", "history", folder=trial.folder, CASE_DATABASE=trial.url)
        assert history.returncode == 0
        assert "empty at base: healed" in history.stdout
