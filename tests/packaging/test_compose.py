"""`docker-compose up` needs nothing set, opens nothing to the network, and keeps what it is given; so does `scale`."""

import json
import os
import re
import socket
import subprocess
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from compose_spec import PyCompose

from access.static_tokens import static_tokens
from core.postgres.binaries import find_binaries
from core.settings import Settings, load_settings
from tests.core.conftest import guarded_server

__all__ = ["guarded_server"]
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
    text = re.sub(r"(?<!\$)\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "docker-compose.yml").read_text())
    assert not re.search(r"(?<!\$)\$[{\w]", text), "something has to be set before `docker-compose up`"
    parsed = PyCompose.from_yaml(text.replace("$$", "$"))
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


def secrets(service: dict[str, Any]) -> dict[str, str]:
    """The files that a service reads secrets from, by where it finds them."""
    mounts = [mount for mount in service.get("volumes", ()) if not isinstance(mount, str)]
    assert all(mount["read_only"] for mount in mounts)
    return {mount["target"]: mount["source"] for mount in mounts}


def test_docker_compose_1_takes_the_file() -> None:
    """Nothing stands at its top that 1.29, Debian 12's and Ubuntu's, refuses (`name`) or warns of (`secrets`)."""
    assert set(compose()) == {"services", "volumes"}


def test_the_app_waits_for_a_database_that_answers() -> None:
    """The app starts once PostgreSQL 18 answers, not once its container exists."""
    assert services()["database"]["image"].startswith("postgres:18")
    assert services()["app"]["depends_on"] == {"database": {"condition": "service_healthy"}}


@pytest.fixture
async def as_in_a_container(guarded_server: str) -> AsyncIterator[dict[str, str]]:
    """The environment of a health check beside a server that asks on TCP for a password, and on its socket for none."""
    host, _, port = guarded_server.partition(":")
    server = await asyncpg.connect(f"postgresql://pegasus:top%2Fsecret@{guarded_server}/pegasus")
    rules = Path(await server.fetchval("SHOW hba_file"))
    asked = rules.read_text()
    rules.write_text(f"{asked}local all all trust\n")
    await server.execute("SELECT pg_reload_conf()")
    path = f"{find_binaries()[0]}:{os.environ['PATH']}"
    sockets = await server.fetchval("SHOW unix_socket_directories")
    yield {"PATH": path, "PGHOST": sockets.strip('"'), "PGPORT": port, "HOSTNAME": host}
    rules.write_text(asked)
    await server.execute("ALTER ROLE pegasus PASSWORD 'top/secret'")
    await server.execute("SELECT pg_reload_conf()")
    await server.close()


def is_healthy(name: str, environment: dict[str, str]) -> bool:
    """What a service's health check says there."""
    check = compose()["services"][name]["healthcheck"]["test"]
    return subprocess.run(["sh", "-c", check], env=environment, check=False).returncode == 0


@pytest.mark.parametrize("password", ["pegasus", 'it\'s $HOME, 100% \\ "quoted" :password'])
async def test_a_changed_password_is_the_databases(
    password: str, guarded_server: str, as_in_a_container: dict[str, str], tmp_path: Path
) -> None:
    """The image counts POSTGRES_PASSWORD on a new volume alone; on an old one the health check sets it, once."""
    (tmp_path / "password").write_text(f"{password}-2\n")
    told = {
        "database": {"POSTGRES_PASSWORD": password},
        "scale-database": {"POSTGRES_PASSWORD_FILE": str(tmp_path / "password")},
    }
    hashes = []
    for name, secret in told.items():
        for _ in range(2):
            assert is_healthy(name, as_in_a_container | secret)
            server = await asyncpg.connect(
                f"postgresql://pegasus@{guarded_server}/pegasus",
                password=password if name == "database" else f"{password}-2",
            )
            hashes.append(await server.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'pegasus'"))
            await server.close()
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3]


async def test_a_database_that_is_away_is_not_healthy(as_in_a_container: dict[str, str]) -> None:
    """While nothing answers over TCP the app is held back, and no password is set."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    assert not is_healthy("database", as_in_a_container | {"PGPORT": str(port), "POSTGRES_PASSWORD": "new"})


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
    assert not any(secrets(service) for service in services().values())


def test_scale_is_an_installation_of_its_own() -> None:
    """The profile shares neither volume nor port nor database with the app: both may run at once."""
    assert set(scaled()) == {"scale-database", "objects", "replica-1", "replica-2", "worker", "proxy"}
    volumes = [volume for service in scaled().values() for volume in service.get("volumes", ())]
    theirs = {volume.partition(":")[0] for volume in volumes if isinstance(volume, str)}
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


def test_scratch_belongs_to_the_images_user() -> None:
    """Its owner is said: Debian 12's runc gives the mode of the image's folder, 0700, and that to root."""
    [(uid, gid)] = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    for name in ("replica-1", "replica-2", "worker"):
        assert f"/data:uid={uid},gid={gid},mode=0700" in scaled()[name]["tmpfs"]


def test_replicas_are_equal_and_settings_reach_them() -> None:
    """Both replicas and the worker have the same settings, each of which there is, and every secret from a file."""
    equal = [scaled()[name] for name in ("replica-1", "replica-2", "worker")]
    assert all(one["environment"] == equal[0]["environment"] for one in equal)
    settings = {name.upper() for name in Settings.model_fields}
    assert set(equal[0]["environment"]) <= settings | OF_STORAGE
    assert all(secrets(one) == secrets(equal[0]) for one in equal)
    assert set(secrets(equal[0])) <= {f"/run/secrets/{name.lower()}" for name in settings | OF_STORAGE}
    assert not {name for name, text in equal[0]["environment"].items() if text and "SECRET" in name}


def test_the_object_store_takes_no_room_beforehand() -> None:
    """The image says `-master.volumePreallocate`, a gigabyte for each volume; what is said later counts."""
    assert "-master.volumePreallocate=false" in scaled()["objects"]["command"]


def test_what_keeps_data_has_time_to_stop() -> None:
    """Databases write a last checkpoint, and SeaweedFS takes 15 seconds to stop: Docker's ten would kill them."""
    keep = [services()["database"], scaled()["scale-database"], scaled()["objects"]]
    assert {service["stop_grace_period"] for service in keep} == {"1m"}


def test_a_container_has_time_to_drain() -> None:
    """Nobody is killed before the time is over that what is under way may take."""
    for service in (services()["app"], scaled()["replica-1"]):
        environment = service["environment"]
        drain = [float(environment.get(name) or default) for name, default in DRAIN.items()]
        units = dict(reversed(pair) for pair in re.findall(r"(\d+)([ms])", service["stop_grace_period"]))
        assert 60 * int(units.get("m", 0)) + int(units.get("s", 0)) >= sum(drain) + WORKER_DRAIN_SECONDS


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """`deploy/make-secrets` makes every file that compose wants, and keeps what is there."""
    named = {(ROOT / source).resolve() for service in scaled().values() for source in secrets(service).values()}
    made = [_secrets(tmp_path) for _ in range(2)]
    assert {ROOT / "secrets" / name for name in made[0]} == named
    assert made[0] == made[1]
    [identity] = json.loads(made[0]["s3_identities"])["identities"]
    assert identity["credentials"][0]["secretKey"] == made[0]["aws_secret_access_key"].strip()
    assert made[0]["postgres_password"].strip() in made[0]["database_url"]
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0


def test_missing_secrets_name_what_makes_them() -> None:
    """The engine's own error is the path of the missing file, a link, in whose place it can't make a folder."""
    sources = [source for service in scaled().values() for source in secrets(service).values()]
    assert all("make-secrets" in source and (ROOT / source).is_symlink() for source in sources)


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
