"""`docker-compose up` needs nothing set, opens nothing to the network, and keeps what it is given."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from compose_spec import PyCompose

from core.settings import Settings

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
    found: dict[str, Any] = compose()["services"]
    return found


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
    assert set(compose()["volumes"]) == {"database", "recordings"}


def test_everything_starts_again_by_itself() -> None:
    """After a crash or a reboot both services come back."""
    assert {service["restart"] for service in services().values()} == {"unless-stopped"}


def test_settings_reach_the_container() -> None:
    """A setting in the environment or `.env` counts under compose too, unless compose has to fix it."""
    passed = {name for name, value in services()["app"]["environment"].items() if value is None}
    assert passed == {name.upper() for name in Settings.model_fields} - FIXED
