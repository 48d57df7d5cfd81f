"""The Dockerfile's steps, run without privileges in an empty folder: what they make serves recordings.

A replay, for machines without Docker: each stage is a folder, absolute paths are moved below it, and the
Python is this machine's. It can't show the image's size, nor that the base image exists.
"""

import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "65534"
START_SECONDS = 60
# Where packages come from is the machine's business, as it is when an image is built.
FOR_PIP = re.compile(r"PIP_.*|SSL_.*|.*_proxy", re.IGNORECASE)


@cache
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each with its text."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.strip().partition(" ") for line in lines) if name]


def values(name: str) -> list[str]:
    return [text for instruction, text in instructions() if instruction == name]


@dataclass(frozen=True)
class Account:
    """Somebody without privileges, and a Python that they can run."""

    number: str
    python: str
    wrapper: tuple[str, ...] = ()
    change: dict[str, Any] = field(default_factory=dict)

    def command(self, arguments: list[str]) -> list[str]:
        return [*self.wrapper, *arguments]

    def can_install(self) -> bool:
        needed = "import ensurepip, sys, venv; assert sys.version_info >= (3, 11)"
        try:
            tried = subprocess.run(
                self.command([self.python, "-c", needed]),
                cwd="/",
                stderr=subprocess.DEVNULL,
                check=False,
                **self.change,
            )
        except OSError:
            return False
        return tried.returncode == 0


def account() -> Account:
    """Ourselves, unless we are root: then nobody, or else a mere number in a namespace of its own."""
    own = str(Path(sys.executable).resolve())
    if os.getuid() != 0:
        return Account(str(os.getuid()), own)
    number = int(NOBODY)
    for python in (own, "/usr/bin/python3", "/usr/local/bin/python3"):
        nobody = Account(NOBODY, python, change={"user": number, "group": number, "extra_groups": []})
        if nobody.can_install():
            return nobody
    return Account("1000", own, ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--"))


@dataclass
class Replay:
    """The stages of an image, each a folder under `folder`; then how its command and health check are run."""

    folder: Path
    account: Account
    stage: Path = Path()
    directory: str = "/"
    environment: dict[str, str] = field(default_factory=dict)

    def moved(self, text: str) -> str:
        """`text` with absolute paths below this stage's folder, and the user's number ours."""
        text = re.sub(r"(?<![\w.])/(?=(pegasus|data)\b)", f"{self.stage}/", text)
        return text.replace(NOBODY, self.account.number)

    @property
    def working_folder(self) -> Path:
        return Path(self.moved(self.directory))

    def run_step(self, name: str, text: str) -> None:
        match name:
            case "FROM":
                self.stage = self.folder / (text.rpartition(" AS ")[2] if " AS " in text else "image")
                self.environment = {"PATH": f"{self.folder / 'bin'}:{os.defpath}", "HOME": str(self.folder)}
                self.shell("mkdir", str(self.stage))
            case "WORKDIR":
                self.directory = text
                self.shell("mkdir", "-p", str(self.working_folder), directory=self.stage)
            case "ENV":
                for assignment in shlex.split(self.moved(text)):
                    variable, _, value = assignment.partition("=")
                    self.environment[variable] = value.replace("$PATH", self.environment["PATH"])
            case "COPY":
                self.copy(text.split())
            case "RUN":
                self.shell("/bin/sh", "-c", self.moved(text))
            case "USER" | "VOLUME" | "EXPOSE" | "HEALTHCHECK" | "CMD":
                pass
            case _:
                pytest.fail(f"the replay doesn't know {name}")

    def copy(self, words: list[str]) -> None:
        *sources, target = words
        root = ROOT
        if sources[0].startswith("--from="):
            root = self.folder / sources.pop(0).removeprefix("--from=")
        destination = self.working_folder / target
        for source in sources:
            path = root / source.lstrip("/")
            if path.is_dir():
                ignored = None if root != ROOT else shutil.ignore_patterns("__pycache__", ".env")
                shutil.copytree(path, destination, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                shutil.copy2(path, destination)
        if self.account.change:
            hand_over(destination, int(self.account.number))

    def shell(self, *command: str, directory: Path | None = None) -> None:
        from_machine = {name: value for name, value in os.environ.items() if FOR_PIP.fullmatch(name)}
        done = subprocess.run(
            self.account.command(list(command)),
            cwd=directory or (self.working_folder if self.working_folder.exists() else self.folder),
            env=from_machine | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self.account.change,
        )
        assert done.returncode == 0, done.stdout

    def start(self, command: str, **more: str) -> subprocess.Popen[str]:
        """Runs a command in its JSON form, as a container does: with the image's environment alone."""
        return subprocess.Popen(
            self.account.command(json.loads(command)),
            cwd=self.working_folder,
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **self.account.change,
        )


def hand_over(path: Path, number: int) -> None:
    os.chown(path, number, number, follow_symlinks=False)
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            os.chown(Path(folder, name), number, number, follow_symlinks=False)


@pytest.fixture(scope="module")
def image() -> Iterator[Replay]:
    """What the Dockerfile makes; its code is made read-only, as it belongs to root in the real image."""
    folder = Path(tempfile.mkdtemp(prefix="pegasus-image-")).resolve()
    try:
        replay = Replay(folder, account())
        (folder / "bin").mkdir()
        python = folder / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(replay.account.python)} "$@"\n')
        python.chmod(0o755)
        if replay.account.change:
            hand_over(folder, int(replay.account.number))
        for name, text in instructions():
            replay.run_step(name, text)
        subprocess.run(["chmod", "-R", "a-w", str(replay.stage / "pegasus")], check=True)
        yield replay
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False)
        shutil.rmtree(folder)


def recording() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return buffer.getvalue()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def wait_until_healthy(image: Replay, server: subprocess.Popen[str], port: str) -> None:
    check = values("HEALTHCHECK")[0].partition(" CMD ")[2]
    deadline = time.monotonic() + START_SECONDS
    while True:
        asking = image.start(check, PORT=port)
        asking.communicate()
        if asking.returncode == 0:
            return
        assert server.poll() is None, server.communicate()[0]
        assert time.monotonic() < deadline, "the container never becomes healthy"
        time.sleep(0.2)


def test_nothing_but_the_code_enters_the_image() -> None:
    """No secret, recording or database of the builder's machine can be copied into an image."""
    ignored, *allowed = re.findall(r"^[^#\n].*", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE)
    assert ignored == "*"
    copied = {source for text in values("COPY") if "--from" not in text for source in text.split()[:-1]}
    assert copied == {line.removeprefix("!") for line in allowed if line.startswith("!")}
    assert "**/.env" in allowed


def test_the_image_runs_without_privileges() -> None:
    """The last user is not root, and is named by number, so that an orchestrator can check it."""
    user, _, group = values("USER")[-1].partition(":")
    assert int(user) > 0
    assert int(group) > 0


@pytest.mark.xdist_group("image")
@pytest.mark.timeout(600)
def test_a_container_asks_before_it_opens_to_everybody(image: Replay) -> None:
    """Without AUTH=open the image refuses to listen on every address, and says what to set."""
    told, _ = image.start(values("CMD")[-1]).communicate(timeout=START_SECONDS)
    assert "AUTH=open" in told
    assert "Traceback" not in told


@pytest.mark.xdist_group("image")
@pytest.mark.timeout(600)
def test_a_container_takes_in_a_recording_and_stops_cleanly(image: Replay) -> None:
    """The command becomes healthy, stores an upload, gives it back byte for byte, and ends at SIGTERM."""
    port, sent = free_port(), recording()
    server = image.start(values("CMD")[-1], AUTH="open", PORT=port)
    try:
        wait_until_healthy(image, server, port)
        address = f"http://127.0.0.1:{port}/api/audio"
        with httpx.Client(base_url=address, trust_env=False, timeout=START_SECONDS) as client:
            answer = client.post("/upload", files={"file": ("memo.wav", sent)}, data={"tag": "Work"})
            assert answer.status_code == httpx.codes.OK, answer.text
            assert client.get(f"/{answer.json()['id']}/download").content == sent
    finally:
        server.terminate()
        told, _ = server.communicate(timeout=START_SECONDS)
    assert server.returncode == 0, told
    assert not (image.stage / "data" / "postgres" / "postmaster.pid").exists()
