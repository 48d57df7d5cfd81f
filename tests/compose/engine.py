"""Docker's engine and Compose out of Debian, in namespaces of their own: this machine's Docker, if any, isn't asked.

The engine's root file system holds Debian's packages and is kept for the next run. Over it lies a layer to write to.
Its network goes out through slirp4netns. Whatever the engine starts ends with its first process.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import uuid4

from core.settings import ROOT

ENGINES = ROOT / ".engines"
FILES = "/pegasus-files"
PACKAGES = "docker.io,docker-compose,iptables,ca-certificates,python-is-python3,python3-venv,nginx,busybox,gosu"
SPLIT_OFF = ",docker-cli,docker-buildx"  # in Debian 12 they are in docker.io
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
CLONE_NEWNET = 0x40000000
START_SECONDS = 60
END_SECONDS = 120


@dataclass(frozen=True)
class Engine:
    """A running engine, in which the folder `files` of this machine is `FILES`."""

    root: Path
    files: Path
    process: "subprocess.Popen[bytes]"

    def run(
        self, *command: str, folder: str = FILES, stdin: IO[bytes] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a command in the engine's file system and network."""
        entering = ["nsenter", f"--target={self.process.pid}", "--mount", "--net", "env", f"--chdir={folder}"]
        return subprocess.run(
            [*entering, *command], env=ENVIRONMENT, stdin=stdin, capture_output=True, text=True, check=False
        )

    @contextmanager
    def network(self) -> Iterator[None]:
        """Lets this thread connect to the engine's 127.0.0.1."""
        with (
            Path("/proc/thread-self/ns/net").open() as own,
            Path(f"/proc/{self.process.pid}/ns/net").open() as engines,
        ):
            _enter_network(engines)
            try:
                yield
            finally:
                _enter_network(own)


@contextmanager
def running_engine(suite: str) -> Iterator[Engine]:
    """An engine out of that release of Debian; at the end nothing is left of it but its root file system."""
    root, name = _root(suite), f"pegasus-{uuid4().hex}"
    state = ENGINES / name
    for folder in ("docker", "files", "root", "upper", "work"):
        (state / folder).mkdir(parents=True)
    with ExitStack() as stack:
        stack.callback(_remove, state, cgroup=name)
        separate = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        first = ["sh", str(Path(__file__).with_suffix(".sh")), str(root), str(state), name]
        process = stack.enter_context(_process([*separate, *first], log=state / "log"))
        engine = Engine(root, state / "files", process)
        _until(lambda: engine.run("true").returncode == 0, process, log=state / "log")
        network = ["slirp4netns", "--configure", "--mtu=1500", "--disable-host-loopback", str(process.pid), "tap0"]
        stack.enter_context(_process(network, log=state / "network.log"))
        _until(lambda: engine.run("docker", "info").returncode == 0, process, log=state / "log")
        yield engine


@contextmanager
def _process(command: list[str], *, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is killed at the end, or when this one is."""
    with log.open("wb") as output:
        process = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *command], stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _root(suite: str) -> Path:
    """The root file system of an engine, made when it isn't there."""
    root = ENGINES / suite
    if not root.exists():
        unfinished = ENGINES / f"{suite}-{uuid4().hex}"
        unfinished.mkdir(parents=True)
        packages = PACKAGES if suite == "bookworm" else PACKAGES + SPLIT_OFF
        debootstrap = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={packages}"]  # it mounts
        made = subprocess.run([*debootstrap, suite, unfinished, _mirror()], capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout[-2000:]
        shutil.rmtree(unfinished / "var/cache/apt/archives")
        shutil.copy(f"/{CERTIFICATES}", unfinished / CERTIFICATES)  # a proxy's may be among them
        unfinished.rename(root)
    return root


def _mirror() -> str:
    """Where this machine has Debian's packages from."""
    command = ["apt-get", "indextargets", "--format=$(REPO_URI)", "Created-By: Packages", "Label: Debian"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


def _until(holds: Callable[[], bool], process: "subprocess.Popen[bytes]", *, log: Path) -> None:
    """Returns once something holds; fails with the log when it never does."""
    latest = time.monotonic() + START_SECONDS
    while not holds():
        if process.poll() is not None or time.monotonic() > latest:
            raise AssertionError(log.read_text())
        time.sleep(0.1)


def _remove(state: Path, *, cgroup: str) -> None:
    """Removes what a killed engine leaves: its files, and the groups that the kernel counted its processes in."""
    latest = time.monotonic() + END_SECONDS
    groups = [*Path("/sys/fs/cgroup").glob(cgroup), *Path("/sys/fs/cgroup").glob(f"*/{cgroup}")]
    while any(path.exists() for path in [state, *groups]):
        assert time.monotonic() < latest, [state, *groups]
        for folder in [folder for group in groups for folder, _, _ in os.walk(group, topdown=False)]:
            with contextlib.suppress(OSError):  # its last process is still dying
                Path(folder).rmdir()
        shutil.rmtree(state, ignore_errors=True)


def _enter_network(namespace: IO[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "the engine's network can't be entered")
