"""The files to copy into a project's CI call what there is, and pytest finds the plugin where it is installed."""

import re
import shlex
import tomllib
from importlib import import_module

import pytest
import yaml

from reconcile.__main__ import _parser

from .conftest import PACKAGE

CI = PACKAGE / "docs" / "ci"


def hooks() -> list[dict[str, object]]:
    parsed: list[dict[str, object]] = yaml.safe_load((CI / ".pre-commit-hooks.yaml").read_text())
    return parsed


def steps() -> list[str]:
    action = yaml.safe_load((CI / "action.yml").read_text())
    return [step["run"] for step in action["runs"]["steps"]]


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: str(hook["id"]))
def test_hooks(hook: dict[str, object]) -> None:
    """Each hook is one that pre-commit takes, for changes of revisions, and calls a command that there is."""
    assert {"id", "name", "entry", "language"} <= hook.keys()
    program, *arguments = shlex.split(str(hook["entry"]))
    assert program == "reconcile"
    assert _parser().parse_args(arguments).run
    assert re.search(str(hook["files"]), "migrations/versions/r1_notes.py")
    assert not re.search(str(hook["files"]), "app/models.py")


def test_action() -> None:
    """So does each step of the action."""
    calls = [shlex.split(step.replace('"$SINCE"', "HEAD")) for step in steps()]
    assert [call[0] for call in calls] == ["pip", "reconcile", "reconcile", "pytest"]
    for call in calls[1:3]:
        assert _parser().parse_args(call[1:]).run
    parser = pytest.Parser(_ispytest=True)
    import_module("reconcile.pytest_plugin").pytest_addoption(parser)
    options, unknown = parser.parse_known_and_unknown_args(calls[3][1:])
    assert (options.reconcile, options.reconcile_since, unknown) == (True, "HEAD", [])


def test_entry_point() -> None:
    """The distribution registers the plugin that lies in the engine."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    name = project["entry-points"]["pytest11"]["reconcile"]
    assert hasattr(import_module(name.replace("alembic_reconcile", "reconcile")), "pytest_addoption")
