"""`docker-compose up` needs nothing set, opens nothing to the network, and keeps what it is given; so does `scale`."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyCompose

from access.static import static_tokens
from core.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
# What compose fixes itself, because the container's inside depends on it.
FIXED = {
    "AUDIO_STORAGE_PATH",
    "AUTH",
    "AUTH_TOKENS_FILE",
    "DATABASE_URL",
    "DATA_PATH",
    "HOST",
    "MIGRATION_DATABASE_URL",
    "PORT",
}


# What names object storage.
OF_STORAGE = {"STORAGE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
DRAIN = {"DRAIN_GRACE_SECONDS": 0, "DRAIN_SECONDS": 30}
WORKER_DRAIN_SECONDS = 10


@cache
def compose() -> dict[str, Any]:
    """The file as Docker Compose sees it with an empty environment: parsed, and its references resolved."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "docker-compose.yml").read_text())
    assert "${" not in text, "something has to be set before `docker-compose up`"
    parsed = PyCompose.from_yaml(text)
    parsed.validate()
    parsed.to_spec()
    return parsed.to_dict()


def services() -> dict[str, Any]:
    """What `docker-compose up` starts."""
    found: dict[str, Any] = compose()["services"]
    return {name: service for name, service in found.items() if "profiles" not in service}


def scaled() -> dict[str, Any]:
    """What the profile `scale` adds."""
    return {name: service for name, service in compose()["services"].items() if service.get("profiles") == ["scale"]}


def test_the_app_waits_for_a_database_that_answers() -> None:
    """The app starts once PostgreSQL 18 answers, not once its container exists."""
    database = services()["database"]
    assert database["image"].startswith("postgres:18")
    assert "pg_isready" in database["healthcheck"]["test"]
    assert services()["app"]["depends_on"] == {"database": {"condition": "service_healthy"}}


def test_only_this_machine_reaches_the_port() -> None:
    """AUTH=open is safe, because the app is published on 127.0.0.1 and the database nowhere."""
    assert services()["app"]["environment"]["AUTH"] == "open"
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert [port.split(":")[0] for port in published] == ["127.0.0.1"]


def test_rows_and_recordings_outlive_their_containers() -> None:
    """`docker-compose down` and `up` bring back every recording: both volumes are named."""
    mounted = {volume for service in services().values() for volume in service["volumes"]}
    assert mounted == {"database:/var/lib/postgresql", "recordings:/data"}


def test_everything_starts_again_by_itself() -> None:
    """After a crash or a reboot every service comes back."""
    assert {service["restart"] for service in compose()["services"].values()} == {"unless-stopped"}


def test_settings_reach_the_container() -> None:
    """A setting in the environment or `.env` counts under compose too, unless compose has to fix it."""
    passed = {name for name, value in services()["app"]["environment"].items() if value is None}
    assert passed == {name.upper() for name in Settings.model_fields} - FIXED


def test_one_command_starts_one_server() -> None:
    """Without the profile there are an app and its database, and no secret has to be there."""
    assert set(services()) == {"app", "database"}
    assert not any("secrets" in service for service in services().values())


def test_scale_is_an_installation_of_its_own() -> None:
    """The profile shares neither volume nor port nor database with the app: both may run at once."""
    assert set(scaled()) == {"scale-database", "objects", "replica-1", "replica-2", "worker", "proxy"}
    theirs = {volume.partition(":")[0] for service in scaled().values() for volume in service.get("volumes", [])}
    assert theirs == {"scale-database", "objects", "./deploy/nginx.conf"}
    assert set(compose()["volumes"]) == {"database", "recordings", "scale-database", "objects"}
    assert {port for service in scaled().values() for port in service.get("ports", [])} == {"127.0.0.1:8080:8080"}
    waits = {name: set(service.get("depends_on", ())) for name, service in scaled().items()}
    assert waits["proxy"] == {"replica-1", "replica-2"}
    assert waits["worker"] == waits["replica-1"] == waits["replica-2"] == {"scale-database", "objects"}


def test_scale_runs_without_privileges() -> None:
    """What isn't PostgreSQL runs as somebody else than root, on a file system that it can't write, and is watched."""
    for name, service in scaled().items():
        built = "build" in service  # the Dockerfile names its user and how it is asked for its health
        assert built or "healthcheck" in service, name
        if name != "scale-database":
            assert built or not service["user"].startswith("0"), name
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
        assert re.search(r":\d", service.get("image", ":1")), name


def test_replicas_are_equal_and_settings_reach_them() -> None:
    """Both replicas and the worker have the same settings, each of which there is, and every secret from a file."""
    equal = [scaled()[name] for name in ("replica-1", "replica-2", "worker")]
    assert all(one["environment"] == equal[0]["environment"] for one in equal)
    settings = {name.upper() for name in Settings.model_fields}
    assert set(equal[0]["environment"]) <= settings | OF_STORAGE
    assert set(equal[0]["secrets"]) <= {name.lower() for name in settings | OF_STORAGE}
    assert not {name for name, text in equal[0]["environment"].items() if text and "SECRET" in name}


def test_a_container_has_time_to_drain() -> None:
    """Nobody is killed before the time is over that what is under way may take."""
    for service in (services()["app"], scaled()["replica-1"]):
        environment = service["environment"]
        drain = [float(environment.get(name) or default) for name, default in DRAIN.items()]
        units = dict(reversed(pair) for pair in re.findall(r"(\d+)([ms])", service["stop_grace_period"]))
        assert 60 * int(units.get("m", 0)) + int(units.get("s", 0)) >= sum(drain) + WORKER_DRAIN_SECONDS


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """`deploy/make-secrets` makes every file that compose wants, and keeps what is there."""
    named = {secret["file"].removeprefix("./") for secret in compose()["secrets"].values()}
    made = [_secrets(tmp_path) for _ in range(2)]
    assert {f"secrets/{name}" for name in made[0]} == named
    assert made[0] == made[1]
    [identity] = json.loads(made[0]["s3_identities"])["identities"]
    assert identity["credentials"][0]["secretKey"] == made[0]["aws_secret_access_key"].strip()
    assert made[0]["postgres_password"].strip() in made[0]["database_url"]
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0


def _secrets(folder: Path) -> dict[str, str]:
    subprocess.run([ROOT / "deploy/make-secrets"], cwd=folder, check=True)
    return {path.name: path.read_text() for path in (folder / "secrets").iterdir()}


def test_secrets_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `deploy/make-secrets` makes is what Pegasus reads; the environment wins over it."""
    made = _secrets(tmp_path)
    monkeypatch.setenv("SECRETS_PATH", str(tmp_path / "secrets"))
    settings = load_settings(tmp_path / "absent")
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == made["database_url"].strip()
    assert static_tokens(settings.auth_tokens.get_secret_value() if settings.auth_tokens else None, file=None)
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/pegasus")
    found = load_settings(tmp_path / "absent").database_url
    assert found is not None
    assert found.get_secret_value() == "postgresql://elsewhere/pegasus"
