"""A newcomer's first minute: a fresh clone, Python and make, and nothing else."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.checkout import copy_checkout

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 400  # pip installs everything first


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """The files as a commit would hold them now: without .venv, data or settings."""
    folder = tmp_path / "clone"
    copy_checkout(folder)
    yield folder
    shutil.rmtree(folder)


def environment(**more: str) -> dict[str, str]:
    """This machine's environment, less what would name a Python environment or a `make` around this one."""
    ours = re.compile(r"VIRTUAL_ENV|PYTHON.*|MAKE.*|MFLAGS|DATA_PATH|ENV_FILE")
    return {name: value for name, value in os.environ.items() if not ours.fullmatch(name)} | more


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def wait_until_ready(server: subprocess.Popen[str], client: httpx.Client) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert server.poll() is None, server.communicate()[0]
        assert time.monotonic() < deadline, "the server never becomes ready"
        try:
            if client.get("/health/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.2)


@pytest.mark.timeout(600)
def test_make_run_serves_and_ctrl_c_ends_it(clone: Path) -> None:
    """`make run` installs, serves on the PORT it is given, and leaves nothing running after Ctrl-C."""
    port = free_port()
    server = subprocess.Popen(
        ["make", "run"],
        cwd=clone,
        env=environment(PORT=port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,  # as a shell starts it: Ctrl-C reaches make and everything below it
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            wait_until_ready(server, client)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGINT)
        told, _ = server.communicate(timeout=START_SECONDS)
    assert "Traceback" not in told
    assert not (clone / "data/postgres/postmaster.pid").exists()
    assert (clone / "data/postgres/PG_VERSION").exists()
    again = subprocess.run(["make", "--question", "install"], cwd=clone, env=environment(), check=False)
    assert again.returncode == 0, "a second `make run` would install again"


def test_an_old_python_is_refused_in_a_sentence(clone: Path, tmp_path: Path) -> None:
    """Without Python 3.11 or newer, `make install` says so, and makes nothing."""
    old = tmp_path / "old"
    old.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        (old / name).write_text("#!/bin/sh\nexit 1\n")
        (old / name).chmod(0o755)
    path = f"{old}:{os.environ['PATH']}"
    refused = subprocess.run(
        ["make", "install"],
        cwd=clone,
        env=environment(PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert "Pegasus needs Python 3.11 or newer" in refused.stderr
    assert not (clone / ".venv").exists()


def test_help_lists_every_target(clone: Path) -> None:
    """`make` alone tells what there is to do."""
    told = subprocess.run(["make"], cwd=clone, env=environment(), capture_output=True, text=True, check=True).stdout
    targets = re.search(r"^\.PHONY: (.+)", (clone / "Makefile").read_text().replace("\\\n", ""), flags=re.MULTILINE)
    assert targets
    assert sorted(re.findall(r"^make (\S+) +\S", told, flags=re.MULTILINE)) == sorted(targets[1].split())


def test_settings_are_their_owners_alone(clone: Path) -> None:
    """The `.env` that is made, where passwords and keys will stand, is read by nobody else, whatever the umask."""
    made = ["sh", "-c", "umask 000 && exec make .env backend/.env"]
    subprocess.run(made, cwd=clone, env=environment(), check=True, capture_output=True)
    assert (clone / ".env").stat().st_mode & 0o777 == 0o600
    assert (clone / "backend" / ".env").read_text() == (clone / ".env.example").read_text()
