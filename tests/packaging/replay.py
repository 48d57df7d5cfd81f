"""Replays the Dockerfile without Docker and without privileges.

Each stage is a folder, absolute paths are moved below it, and the Python is this machine's. It can't show the
image's size, nor that its base exists.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "65534"
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
                raise NotImplementedError(name)

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
