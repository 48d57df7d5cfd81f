"""The distribution, built once and installed where nothing else is but what it says it needs."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from core.postgres.binaries import find_binaries
from core.settings import ROOT

PACKAGE = ROOT / "packages" / "alembic-reconcile"
UV = str(Path(sys.executable).parent / "uv")
HEALTHY = 0
VERDICTS = (HEALTHY, 10, 11, 12, 13)
FAILURES = ("Traceback", "unexpected:", "usage:", "error:", "unreadable:")
APPLICATION = """
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
import os

db, migrate = SQLAlchemy(), Migrate()


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["APP_DATABASE"]
    db.init_app(app)
    migrate.init_app(app, db)
    return app
"""
STATEMENTS = {
    "r1": ['op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'],
    "r2": [
        'op.add_column("notes", sa.Column("title", sa.String(40)))',
        'op.create_index("ix_notes_title", "notes", ["title"])',
    ],
}
MODELS = """
import sqlalchemy as sa

metadata = sa.MetaData()
notes = sa.Table("notes", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(40)))
"""
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = {name!r}
down_revision = {before!r}


def upgrade():
    {statements}
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the distribution in it."""

    folder: Path
    libraries: Path  # an environment with its dependencies, whose commands are used as well

    @property
    def path(self) -> str:
        """The commands of both, and those of PostgreSQL."""
        binaries, _ = find_binaries()
        return f"{self.folder / 'bin'}:{self.libraries / 'bin'}:{binaries}:{os.environ['PATH']}"


@dataclass(frozen=True)
class Project:
    """A project in a folder, with a database of its own."""

    folder: Path
    installed: Installed
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Runs a line in the project's folder, as a person would."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        cache = {"XDG_CACHE_HOME": str(self.folder / ".cache")}
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=kept | cache | self.variables | {"PATH": self.installed.path},
            capture_output=True,
            text=True,
            check=False,
        )

    def well(self, command: str, *, codes: tuple[int, ...] = VERDICTS) -> str:
        """What a line prints that has to end well, or with a verdict that a heal mends."""
        done = self.run(command)
        said = done.stdout + done.stderr
        assert done.returncode in codes, f"{command}: {done.returncode}\n{said}"
        assert not any(failure in said for failure in FAILURES), f"{command}\n{said}"
        return said


Install = Callable[[str], Installed]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel, which was built of the sdist, and the sdist, as `make package` makes them."""
    folder = tmp_path_factory.mktemp("dist")
    command = [UV, "build", "--quiet", "--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*command, "--out-dir", str(folder), str(PACKAGE)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """A function: the wheel in an environment with the newest or the oldest libraries, and no other package."""
    environments: dict[str, Installed] = {}

    def install_once(libraries: str) -> Installed:
        if libraries not in environments:
            environments[libraries] = install(built, libraries, tmp_path_factory.mktemp(libraries))
        return environments[libraries]

    return install_once


def install(built: Path, libraries: str, folder: Path) -> Installed:
    """Installs the wheel into a new environment that sees the libraries of another one."""
    environment = ROOT / f".venv-{libraries}"
    assert environment.is_dir(), f"An environment is missing: make .venv-{libraries}/{libraries}.stamp"
    uv = [UV, "--quiet", "--offline"]
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*uv, "venv", "--python", str(environment / "bin" / "python"), str(folder / "venv")], check=True)
    [site] = (folder / "venv").glob("lib/python*/site-packages")
    [others] = environment.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{others}\n")
    [wheel] = built.glob("*.whl")
    subprocess.run([*uv, "pip", "install", "--no-deps", "--python", str(python), str(wheel)], check=True)
    return Installed(folder / "venv", environment)


@pytest.fixture
def make_project(server_address: str, tmp_path: Path) -> Iterator[Callable[[Installed, str], Project]]:
    """A function that makes a project of a template, on a database of its own."""
    databases: list[str] = []

    def make(installed: Installed, template: str) -> Project:
        name = f"project_{len(databases)}_{tmp_path.name[-20:]}".replace("-", "_").lower()
        databases.append(name)
        with psycopg.connect(server_address, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        address = server_address.replace("/pegasus?", f"/{quote(name)}?")
        driver = "asyncpg" if template == "async" else "psycopg"
        url = address.replace("postgresql://", f"postgresql+{driver}://")
        folder = tmp_path / template
        folder.mkdir()
        project = Project(folder, installed, {"DATABASE_URL": address, "SERVER": server_address})
        return _flask(project, url) if template == "flask" else _alembic(project, template, url)

    yield make
    for name in databases:
        with psycopg.connect(server_address, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _alembic(project: Project, template: str, url: str) -> Project:
    """What `alembic init` makes, with the address and two revisions written into it."""
    project.well(f"alembic init --template {template} migrations", codes=(HEALTHY,))
    ini = project.folder / "alembic.ini"
    lines = (
        f"sqlalchemy.url = {url.replace('%', '%%')}" if line.startswith("sqlalchemy.url") else line
        for line in ini.read_text().splitlines()
    )
    ini.write_text("\n".join(lines) + "\n")
    (project.folder / "models.py").write_text(MODELS)
    return _with_revisions(project)


def _flask(project: Project, url: str) -> Project:
    """What `flask db init` makes for an application, and two revisions."""
    (project.folder / "app.py").write_text(APPLICATION)
    project.variables["APP_DATABASE"] = url
    project.well("flask db init", codes=(HEALTHY,))
    return _with_revisions(project)


def _with_revisions(project: Project) -> Project:
    before: str | None = None
    for name, statements in STATEMENTS.items():
        path = project.folder / "migrations" / "versions" / f"{name}.py"
        path.write_text(REVISION.format(name=name, before=before, statements="\n    ".join(statements)))
        before = name
    return project
