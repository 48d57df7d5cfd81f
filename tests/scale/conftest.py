"""Several real servers on one database and one storage, behind a real nginx with the configuration of deploy/."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.settings import ROOT
from tests.api.conftest import database
from tests.api.test_main import Run, running

__all__ = ["database"]
SECRET = "an-admins-token-for-tests"
TOKEN = {"Authorization": f"Bearer {SECRET}"}
START_SECONDS = 100

Replicas = Callable[..., list[Run]]
Nginx = Callable[[list[str]], AbstractContextManager[str]]


@pytest.fixture
def replicas(tmp_path: Path, database: str) -> Iterator[Replicas]:
    """A function that starts so many equal servers, which are gone at the end of the test."""
    with ExitStack() as started:

        def start(number: int, **settings: str) -> list[Run]:
            shared = {"DATABASE_URL": database, "AUTH_TOKENS": f"{SECRET}=*", "PROCESSING": "off", "SWEEP_HOURS": "0"}
            shared["AUDIO_STORAGE_PATH"] = str(tmp_path / "recordings")
            folders = [tmp_path / f"replica-{place}" for place in range(number)]
            return [started.enter_context(running(folder, **shared | settings)) for folder in folders]

        yield start


@pytest.fixture
def nginx(tmp_path: Path) -> Nginx:
    """A function that runs nginx in front of servers, and yields its URL."""

    @contextmanager
    def serving(servers: list[str]) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        configured = tmp_path / "nginx.conf"
        configured.write_text(configuration(servers, listen=f"127.0.0.1:{port}", folder=tmp_path))
        command = [program(), "-c", str(configured), "-g", "daemon off;"]
        with (tmp_path / "nginx.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until_it_listens(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(START_SECONDS)

    return serving


def program() -> str:
    """Where nginx is; a machine without it is told how to get it."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    assert found, "These tests need nginx: make nginx"
    return found


def configuration(servers: list[str], *, listen: str, folder: Path) -> str:
    """That of deploy/, with other addresses and another folder to write to, and nothing else."""
    text = (ROOT / "deploy/nginx.conf").read_text()
    options = set(re.findall(r"server replica-\d:8000 (.*);", text))
    assert len(options) == 1
    addresses = "".join(f"server {urlsplit(url).netloc} {' '.join(options)};\n" for url in servers)
    text, replaced = re.subn(r"(?:^ *server replica-\d:8000 .*;\n)+", addresses, text, flags=re.MULTILINE)
    assert replaced == 1
    assert text.count("listen 8080;") == 1
    text = text.replace("listen 8080;", f"listen {listen};").replace("/tmp/", f"{folder}/")
    return text.replace("/dev/stdout", f"{folder}/access.log").replace("/dev/stderr", f"{folder}/error.log")


def until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    """Returns once something takes connections at that port."""
    for _ in range(START_SECONDS * 50):
        assert process.poll() is None, "nginx doesn't start"
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.02)
    raise AssertionError("nginx doesn't listen")
