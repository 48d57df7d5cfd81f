"""`docker-compose up` on a real engine, with the docker-compose of this machine's Debian."""

import time

import pytest

from tests.audio.samples import recording
from tests.compose.conftest import Project

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]
MEMO = recording("wav")
PASSWORD = "it costs $5, $HOME and $$ @:/%#"


def upload(project: Project) -> str:
    """Uploads a recording, and returns its id."""
    with project.client(8000) as client:
        answer = client.post("/api/audio/upload", files={"file": ("memo.wav", MEMO)}).raise_for_status()
    return str(answer.json()["id"])


def download(project: Project, recording_id: str) -> bytes:
    with project.client(8000) as client:
        return client.get(f"/api/audio/{recording_id}/download").raise_for_status().content


@pytest.mark.parametrize("command", ["config", "ps"])
@pytest.mark.parametrize("options", [[], ["--profile", "scale"]])
def test_the_file_is_taken_as_it_is(project: Project, options: list[str], command: str) -> None:
    """docker-compose has nothing to say against the file: no error, and no warning of what isn't there."""
    ran = project.try_compose(*options, command, "--quiet")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_recording_outlives_its_containers(project: Project) -> None:
    """What was uploaded is there after `down` and `up`, byte for byte; nobody but this machine reaches the port."""
    project.up()
    uploaded = upload(project)
    published = [ports for ports in project.docker("ps", "--format={{.Ports}}").splitlines() if "->" in ports]
    assert published == ["127.0.0.1:8000->8000/tcp"]
    project.compose("down")
    project.up()
    assert download(project, uploaded) == MEMO


def test_a_changed_password_is_taken(project: Project) -> None:
    """Another POSTGRES_PASSWORD in `.env` counts on a volume that has one already, whatever it is written with."""
    project.up()
    uploaded = upload(project)
    (project.folder / ".env").write_text(f"POSTGRES_PASSWORD='{PASSWORD}'\n")
    project.up()
    assert project.compose("exec", "-T", "app", "printenv", "PGPASSWORD").strip() == PASSWORD
    assert download(project, uploaded) == MEMO


def test_nothing_is_killed_by_a_stop(project: Project) -> None:
    """`docker-compose stop` lets every container end by itself."""
    project.up()
    project.compose("stop")
    assert {state.rpartition(" ")[0] for state in project.states().values()} == {"exited 0"}


def test_the_app_has_no_privileges(project: Project) -> None:
    """The app is nobody, has no capability, can gain none, and writes nothing beside its code."""
    project.up()
    lines = project.compose("exec", "-T", "app", "cat", "/proc/self/status").splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert status["Uid"] == status["Gid"] == ["65534"] * 4
    assert {int(status[name][0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == ["1"]
    refused = project.try_compose("exec", "-T", "app", "touch", "module.py")
    assert "Read-only file system" in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    "command",
    [
        "python -m access create ada",
        "python -m reconcile plan",
        "python -m storage verify",
        "python verify_migration.py",
        "python resolve_migration_error.py",
    ],
)
def test_commands_run_beside_the_server(project: Project, command: str) -> None:
    """What is done with a command is done in the app's container: it finds the database, and writes no code."""
    project.up()
    project.compose("exec", "-T", "app", *command.split())


def test_recordings_are_decoded_in_a_closed_box(project: Project) -> None:
    """An engine's own confinement leaves the decoder every layer of its box, and what is decoded gets its waveform."""
    project.up()
    uploaded = upload(project)
    with project.client(8000) as client:
        assert set(client.get("/health").raise_for_status().json()["decoder"].values()) == {True}
        while client.get(f"/api/audio/{uploaded}").raise_for_status().json()["processing_status"] == "uploaded":
            time.sleep(0.2)
        assert client.get(f"/api/audio/{uploaded}/waveform").status_code == 200
