"""The profile `scale` on a real engine."""

import subprocess

import pytest

from tests.audio.samples import recording
from tests.compose.conftest import Project, checkout
from tests.compose.engine import Engine

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]
MEMO = recording("wav")
SCALE = ("--profile", "scale")


@pytest.fixture(scope="module")
def token(project: Project) -> str:
    """An admin's token of an installation that is up."""
    subprocess.run(["deploy/make-secrets"], cwd=project.folder, check=True)
    project.up(*SCALE)
    return (project.folder / "secrets/auth_tokens").read_text().strip().removesuffix("=*")


@pytest.mark.parametrize("missing", ["secrets", "secrets/postgres_password"])
def test_missing_secrets_name_what_makes_them(engine: Engine, missing: str) -> None:
    """While a secret is missing its reader doesn't start, and the error names what makes it, each time."""
    with checkout(engine, "fresh") as project:
        subprocess.run(["deploy/make-secrets"], cwd=project.folder, check=True)
        subprocess.run(["rm", "-r", missing], cwd=project.folder, check=True)
        for _ in range(2):
            ran = project.try_compose(*SCALE, "up", "--detach")
            assert ran.returncode != 0
            assert "make-secrets" in ran.stderr


def test_a_new_object_store_takes_no_room(project: Project, token: str) -> None:
    """Before the first recording it has taken a few megabytes, not one gigabyte for each of its volumes."""
    assert token
    used = project.compose(*SCALE, "exec", "-T", "objects", "du", "-sm", "/data").split()[0]
    assert int(used) < 100


def test_a_server_that_is_stopped_holds_nobody_up(project: Project, token: str) -> None:
    """With one of two servers gone each upload is taken at once, and what came in before is there."""
    with project.client(8080, token=token) as client:
        assert client.get("/api/audio/", headers={"Authorization": ""}).status_code == 401
        uploaded = client.post("/api/audio/upload", files={"file": ("memo.wav", MEMO)}).raise_for_status().json()["id"]
    project.compose(*SCALE, "stop", "replica-1")
    with project.client(8080, token=token, timeout=4) as client:
        for _ in range(20):
            client.post("/api/audio/upload", files={"file": ("memo.wav", MEMO)}).raise_for_status()
            assert client.get(f"/api/audio/{uploaded}/download").raise_for_status().content == MEMO
    project.up(*SCALE)


def test_nothing_is_killed_by_a_stop(project: Project, token: str) -> None:
    """`docker-compose stop` lets every container end by itself, the object store and the databases, too."""
    assert token
    project.compose(*SCALE, "stop")
    assert {state.rpartition(" ")[0] for state in project.states(*SCALE).values()} == {"exited 0"}
