"""The pages of the distribution are true: each command is run, each link leads somewhere, what is shown is printed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import FENCE
from tests.docs.test_signposts import anchors

from .conftest import PACKAGE, Install, Installed, Project

# One worker builds it, and installs it beside whichever libraries.
pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("distribution")]
PAGES = [PACKAGE / "README.md", *sorted((PACKAGE / "docs").glob("*.md"))]
MakeProject = Callable[[Installed, str], Project]
# What a reader replaces, too: an address.
REPLACED = {
    "--url postgresql+psycopg://app@db.example/app": '--url "postgresql+psycopg://${DATABASE_URL#postgresql://}"',
    "--scratch postgresql://admin@db.example/postgres": '--scratch "$SERVER"',
    "pg_dump --schema-only": "psql -qc 'CREATE SCHEMA extensions' \"$DATABASE_URL\"; pg_dump --schema-only",
}
INSTALLS = "pip install"  # what tests/distribution/conftest.py does with the wheel
OF_FLASK = "--app"


def commands(page: Path) -> Iterator[str]:
    """The lines of a page's blocks for a shell."""
    for language, text in FENCE.findall(page.read_text()):
        if language == "bash":
            yield from text.splitlines()


def replaced(command: str) -> str:
    for old, new in REPLACED.items():
        command = command.replace(old, new)
    return command


def test_there_are_commands() -> None:
    """Each page has some, and what is replaced stands in one of them."""
    lines = [line for page in PAGES for line in commands(page)]
    assert all(list(commands(page)) for page in PAGES)
    assert [old for old in REPLACED if not any(old in line for line in lines)] == []
    assert [line for line in lines if INSTALLS in line] == ['pip install "alembic-reconcile[postgres]"'] * 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands(page: Path, installed: Install, make_project: MakeProject) -> None:
    """Every command of a page does what the page says, one after the other, in a new project."""
    project = make_project(installed("newest"), "generic")
    if page.stem not in ("README", "start"):  # those begin with nothing
        project.well("reconcile record && reconcile heal", codes=(0,))
    printed = [project.well(replaced(line)) for line in commands(page) if INSTALLS not in line and OF_FLASK not in line]
    for language, text in FENCE.findall(page.read_text()):
        if not language and text.startswith("incomplete: "):
            assert [said for said in printed if said.startswith(text)] != [], "\n".join(printed)


def test_commands_for_flask(installed: Install, make_project: MakeProject) -> None:
    """So does what is for Flask-Migrate."""
    project = make_project(installed("newest"), "flask")
    lines = [line for page in PAGES for line in commands(page) if OF_FLASK in line]
    assert lines
    for line in lines:
        project.well(line)


def test_links() -> None:
    """A link to another page leads to a page and a heading that are there."""
    for page in PAGES:
        for link in re.findall(r"\]\((?!https:)([^)\s]+)\)", page.read_text()):
            name, _, fragment = link.partition("#")
            target = page.parent / name if name else page
            assert target.is_file(), (page, link)
            assert not fragment or fragment in anchors(target), (page, link)


def test_yaml() -> None:
    """What is to be copied into a configuration is one, and calls what there is."""
    blocks = [text for page in PAGES for language, text in FENCE.findall(page.read_text()) if language == "yaml"]
    assert len(blocks) == 2
    hook, job = map(yaml.safe_load, blocks)
    assert hook["repos"][0]["hooks"][0]["entry"] == "reconcile record --check"
    assert job["jobs"]["tape"]["steps"][-1]["run"] == "reconcile record --check"
    assert re.search(hook["repos"][0]["hooks"][0]["files"], "migrations/versions/r1_notes.py")
