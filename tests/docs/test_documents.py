"""Every command in README.md and docs/ is executed as it stands there, or named with the reason and looked at."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_args

import asyncpg
import httpx
import pytest
import yaml

from audio.events.announcements import Change
from audio.events.webhook_endpoint import signature
from core.postgres.binaries import find_binaries
from core.settings import ROOT
from tests.api.test_main import running
from tests.audio.samples import recording
from tests.conftest import RunSql, fresh_database
from tests.docs.blocks import BETWEEN, NAMED, PAGES, REPLACED, RUN, blocks, script
from tests.reconcile.ours import OF_001, build
from tests.seed.conftest import copied

__all__ = ["copied"]
LANGUAGES = {"", "bash", "js", "json", "python", "sql", "typescript", "yaml"}
MEMO = recording("m4a")


def test_every_block_is_run_or_named() -> None:
    """A new block of commands has to be run, or be named with a reason; and none is named that isn't there any more."""
    found = {(block.page, block.first) for block in blocks("bash")}
    assert {name for name in found if name[0] not in RUN} <= set(NAMED)
    assert set(NAMED) <= found
    assert set(BETWEEN) <= found
    assert {page for page, _ in found} >= RUN
    text = "".join(block.text for block in blocks("bash"))
    assert [old for old in REPLACED if old not in text] == []
    assert {block.language for block in blocks()} <= LANGUAGES


@pytest.fixture
def place(copied: Path) -> Path:
    """A checkout as `make install` leaves it, with a recording in its root."""
    (copied / ".venv").symlink_to(sys.prefix)
    (copied / "memo.m4a").write_bytes(MEMO)
    return copied


def run(page: str, place: Path, *, port: str = "8000", **environment: str) -> str:
    """Runs what of a page is run, and returns what it said; the first command that fails fails the test."""
    kept = {name: value for name, value in os.environ.items() if name not in ("ENV_FILE", "DATA_PATH", "VIRTUAL_ENV")}
    binaries, _ = find_binaries()
    path = f"{Path(sys.executable).parent}:{binaries}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", script(page, port=port)],
        cwd=place,
        env=kept | {"PATH": path, "DATA_PATH": str(place.parent / "data")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, said
    assert "urn:pegasus:problem" not in said
    assert "Traceback" not in said
    return said


@contextmanager
def served(place: Path, database: str, *, processing: str = "off") -> Iterator[str]:
    """A server on that database, with the recordings of the checkout; yields its port."""
    settings = {"DATABASE_URL": database, "AUDIO_STORAGE_PATH": str(place / "recordings"), "PROCESSING": processing}
    with running(place.parent / "data", **settings) as run:
        yield run.url().rpartition(":")[2]


@pytest.fixture
async def database(server_address: str, healed: str) -> Any:
    """The address of a database that has just been made ready."""
    async with fresh_database(server_address, template=healed) as address:
        yield address


async def test_readme(place: Path, database: str, run_sql: RunSql) -> None:
    """The README's upload is a recording with its tag, and the commands for a broken database find it well."""
    with served(place, database) as port:
        said = run("README.md", place, port=port, DATABASE_URL=database)
    [row] = await run_sql("SELECT original_filename, tag, category, file_size_bytes FROM audio_files")
    assert tuple(row) == ("memo.m4a", "Work", "Meeting", len(MEMO))
    assert '"total":1' in said


async def test_uploads(place: Path, database: str, run_sql: RunSql) -> None:
    """The lines of curl in docs/uploads.md make a recording of a file, byte for byte."""
    with served(place, database) as port:
        assert "upload-recording-id" in run("docs/uploads.md", place, port=port).lower()
        [row] = await run_sql("SELECT id, original_filename, tag FROM audio_files")
        assert tuple(row)[1:] == ("memo.m4a", "Work")
        assert httpx.get(f"http://127.0.0.1:{port}/api/audio/{row['id']}/download").content == MEMO


async def test_api(place: Path, database: str) -> None:
    """Each call of docs/api.md does what it says; no path is missing there."""
    with served(place, database, processing="inline") as port:
        said = run("docs/api.md", place, port=port)
        paths = httpx.get(f"http://127.0.0.1:{port}/openapi.json").json()["paths"]
    assert (place / "original").read_bytes() == MEMO
    assert (place / "beginning").read_bytes() == MEMO[:100]
    assert json.loads((place / "waveform.json").read_text())["version"] == 2
    assert '"tag":"Home","category":null' in said
    assert "File deleted successfully" in said
    page = (ROOT / "docs/api.md").read_text()
    for path in paths:
        named = path.replace("{recording_id}", "$id").replace("{token_id}", "$id")
        assert named.partition("/{upload_id}")[0] in page, path


async def test_lists(place: Path, database: str) -> None:
    """The first page of a list says where the next one begins."""
    with served(place, database) as port:
        assert '"next_cursor":' in run("docs/lists.md", place, port=port)


async def test_security(place: Path, database: str, run_sql: RunSql) -> None:
    """A token is made, asks, is listed and revoked."""
    with served(place, database) as port:
        said = run("docs/security.md", place, port=port, DATABASE_URL=database)
    assert '"items":[]' in said
    [row] = await run_sql("SELECT user_id, label, revoked_at FROM pegasus_system.tokens")
    assert (row["user_id"], row["label"]) == ("ada", "phone")
    assert row["revoked_at"] is not None


async def test_troubleshooting(place: Path, server_address: str) -> None:
    """Every way that docs/troubleshooting.md shows mends a database that `init_db.py` made, one after the other."""
    async with fresh_database(server_address, template="template0") as address:
        connection = await asyncpg.connect(address)
        await build(connection, parts=OF_001, claim=None)
        said = run("docs/troubleshooting.md", place, DATABASE_URL=address)
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == "002"
        await connection.close()
    assert "002 (head)" in said
    assert "Database connection works!" in said


async def test_healing(place: Path, server_address: str) -> None:
    """The commands for any project say where its database is and bring it to the end of its tape."""
    tape = (place / "backend/alembic/tape.json").read_text()
    async with fresh_database(server_address, template="template0") as address:
        run_it = partial(run, "docs/healing.md", place, DATABASE_URL=address)
        connection = await asyncpg.connect(address)
        await build(connection, parts=OF_001, claim=("001",))
        with pytest.raises(AssertionError, match="behind"):
            run_it()  # `status` ends with the verdict's number, as it says
        await connection.execute("DROP TABLE audio_files, alembic_version; DROP TYPE processingstatus")
        subprocess.run(
            [sys.executable, "-m", "reconcile", "heal"],
            cwd=place / "backend",
            env=os.environ | {"DATABASE_URL": address},
            check=True,
            capture_output=True,
        )
        run_it()
        await connection.close()
    assert (place / "backend/alembic/tape.json").read_text() == tape


async def test_operations(place: Path, database: str, server_address: str) -> None:
    """A backup that is made beside a running server comes back whole, in another database and another folder."""
    async with fresh_database(server_address, template="template0") as empty:
        with served(place, database) as port:
            for tag in ("one", "two"):
                files = {"file": ("memo.m4a", MEMO)}
                httpx.post(
                    f"http://127.0.0.1:{port}/api/audio/upload", files=files, data={"tag": tag}
                ).raise_for_status()
            folder = str(place / "recordings")
            addresses = {"DATABASE_URL": database, "EMPTY_DATABASE": empty, "AUDIO_STORAGE_PATH": folder}
            said = run("docs/operations.md", place, **addresses)
        assert "2 recordings" in said
        connection = await asyncpg.connect(empty)
        assert await connection.fetchval("SELECT count(*) FROM audio_files WHERE tag IN ('one', 'two')") == 2
        assert await connection.fetchval("SELECT count(*) FROM pgqueuer.pgqueuer") == 2
        await connection.close()
    stored = [path.read_bytes() for path in (place / "restored").rglob("*.m4a")]
    assert stored == [MEMO] * 2


def test_every_make_target_that_is_named_is_there() -> None:
    """`make …`, in a block or in a sentence, names a target, which make itself understands."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z0-9-]+)", text, flags=re.MULTILINE))
    assert named <= targets
    for block in blocks("bash"):
        if block.page == "docs/development.md":
            for target in re.findall(r"^make ([a-z0-9-]+)", block.text, flags=re.MULTILINE):
                subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_every_command_that_is_named_in_a_sentence_is_there() -> None:
    """`python -m storage sweep --yes` and the like are calls that the commands understand."""
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"python3? -m (access|reconcile|storage) ([a-z]+)((?: --[a-z-]+)*)", text))
    assert len(named) > 8
    told: dict[tuple[str, str], str] = {}
    for module, name, options in named:
        if (module, name) not in told:
            command = [sys.executable, "-m", module, name, "--help"]
            told[module, name] = subprocess.run(
                command, cwd=ROOT / "backend", check=True, capture_output=True, text=True
            ).stdout
        assert all(option in told[module, name] for option in options.split()), (module, name, options)
    scripts = set(re.findall(r"python3? ([a-z_]+\.py)", text))
    assert [name for name in scripts if not (ROOT / "backend" / name).is_file()] == []


def test_what_docker_is_told_is_what_the_image_knows() -> None:
    """The volume and the port in docs/configuration.md are the image's, and no longer settings than there are."""
    [text] = [block.text for block in blocks("bash") if block.page == "docs/configuration.md"]
    image = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"-v pegasus:(\S+)", text)) == set(
        re.findall(r'^VOLUME \["(.+)"\]', image, flags=re.MULTILINE)
    )
    assert set(re.findall(r":(\d+) -v", text)) == set(re.findall(r"^EXPOSE (\d+)", image, flags=re.MULTILINE))


def test_what_systemd_is_given_is_there() -> None:
    """The files that are installed are in a checkout, the target exists, and the user is the unit's."""
    [text] = [one.text for one in blocks("bash") if one.first.startswith("make -C /opt/pegasus")]
    subprocess.run(["bash", "-n", "-c", text], check=True)
    assert all((ROOT / name).is_file() for name in re.findall(r" /opt/pegasus/(\S+) /etc", text))
    unit = (ROOT / "deploy/pegasus.service").read_text()
    assert "User=pegasus" in unit
    for path in ("/etc/pegasus/environment", "/etc/pegasus/secrets"):
        assert path in text
        assert path in unit


async def test_the_sql_is_sql(server_address: str) -> None:
    """Each statement that an administrator is advised to run can be run."""
    [text] = [block.text for block in blocks("sql")]
    async with fresh_database(server_address, template="template0") as address:
        connection = await asyncpg.connect(address)
        await build(connection, parts=OF_001, claim=None)
        transaction = connection.transaction()
        await transaction.start()  # roles belong to all databases: nothing stays
        await connection.execute("CREATE ROLE your_user")
        await connection.execute(text)
        await transaction.rollback()
        await connection.close()


def test_other_code_is_true() -> None:
    """The signature of a webhook is checked as shown, the events are those that there are, the YAML is YAML."""
    [code] = [block.text for block in blocks("python") if block.page == "docs/events.md"]
    secret, body, now = os.urandom(32), b'{"type": "recording.completed"}', int(time.time())
    names: dict[str, Any] = {"base64": base64, "hashlib": hashlib, "hmac": hmac, "time": time}
    names["SECRET"] = "whsec_" + base64.b64encode(secret).decode()
    exec(code, names)
    signed = signature(secret, delivery_id="msg_1", timestamp=now, body=body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signed}
    assert names["is_ours"](headers, body)
    assert not names["is_ours"](headers, body + b" ")
    [script_] = [block.text for block in blocks("js")]
    shown = re.search(r"of \[(.*?)\]", script_)
    assert shown is not None
    assert json.loads(f"[{shown[1]}]") == list(get_args(Change))
    assert all(yaml.safe_load(block.text) for block in blocks("yaml"))
    assert yaml.safe_load((ROOT / "deploy/prometheus-alerts.yml").read_text())["groups"]
