"""The servers that are measured, each a process of its own on loopback, with its files under one folder."""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
RIVALS = ROOT / ".venv-rivals" / "bin" / "python"
LIMIT_MIB = 2048
START_SECONDS = 60
STOP_SECONDS = 60
SHOWN_CHARACTERS = 1000
UVICORN = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    client_max_body_size 0;
    client_body_buffer_size 1m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        root {folder}/files;
        location / {{ dav_methods PUT; }}
    }}
}}
"""


class ServerMissing(Exception):
    """A server isn't installed, or didn't start; the others are measured all the same."""


@dataclass(frozen=True)
class Server:
    """A running server: its first process, its port, and the folder under which the bytes end up."""

    pid: int
    port: int
    files: Path
    log: Path

    @property
    def log_end(self) -> str:
        """What it said last."""
        return self.log.read_text(errors="replace")[-SHOWN_CHARACTERS:].strip() or "(nothing)"


def pegasus(folder: Path, _database: str) -> AbstractContextManager[Server]:
    """`python main.py` with its own PostgreSQL and its own settings, but for the size that it takes."""
    port, ours = free_port(), {name.upper() for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name.upper() not in ours} | {
        "ENV_FILE": os.devnull,
        "DATA_PATH": str(folder),
        "PORT": str(port),
        "MAX_FILE_SIZE_MB": str(LIMIT_MIB),
        "PROCESSING": "off",  # the others do nothing with what they take in
    }
    command = [sys.executable, "main.py"]
    files = folder / "recordings"
    return _serving(command, port, files, cwd=ROOT / "backend", environment=environment, ready="/health/ready")


def textbook(folder: Path, database: str, *, fsync: bool) -> AbstractContextManager[Server]:
    """The tutorial's upload, on the same versions of the same libraries."""
    more = {"DATABASE_URL": database, "FSYNC": "1" if fsync else "0", "PYTHONPATH": str(ROOT / "backend")}
    return _uvicorn(sys.executable, "benchmarks.intake.textbook:app", folder, more)


def bare(folder: Path, database: str) -> AbstractContextManager[Server]:
    """The least that a Python server can do, on the same uvicorn."""
    return _uvicorn(sys.executable, "benchmarks.intake.bare:app", folder, {"DATABASE_URL": database})


def tuspyserver(folder: Path, _database: str) -> AbstractContextManager[Server]:
    """The tus server for FastAPI. Raises ServerMissing."""
    if not RIVALS.exists():
        raise ServerMissing(f"is not installed in {RIVALS.parents[1].name}: `make bench-uploads` does that")
    return _uvicorn(str(RIVALS), "benchmarks.intake.tus_rival:app", folder, {})


def nginx(folder: Path, _database: str) -> AbstractContextManager[Server]:
    """The web server with WebDAV, one worker. Raises ServerMissing."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        raise ServerMissing("is not installed")
    port, files = free_port(), folder / "files"
    files.mkdir()
    settings = folder / "nginx.conf"
    # Started by root it would otherwise write as nobody, who can't enter here.
    user = "user root;" if os.geteuid() == 0 else ""
    settings.write_text(NGINX.format(folder=folder, port=port, user=user))
    command = [program, "-e", "stderr", "-p", str(folder), "-c", str(settings)]
    return _serving(command, port, files, cwd=folder, environment=os.environ)


SERVERS: Mapping[str, Callable[[Path, str], AbstractContextManager[Server]]] = {
    "Pegasus": pegasus,
    "textbook": lambda folder, database: textbook(folder, database, fsync=False),
    "textbook, fsync": lambda folder, database: textbook(folder, database, fsync=True),
    "bare": bare,
    "tuspyserver": tuspyserver,
    "nginx": nginx,
}


def start(name: str, folder: Path, *, database: str, stack: ExitStack) -> Server:
    """Starts a server, which ends with the stack. Raises ServerMissing."""
    folder.mkdir(exist_ok=True)
    return stack.enter_context(SERVERS[name](folder, database))


def free_port() -> int:
    """A port on loopback that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _uvicorn(python: str, app: str, folder: Path, more: Mapping[str, str]) -> AbstractContextManager[Server]:
    port, files = free_port(), folder / "files"
    files.mkdir()
    search = ":".join(filter(None, (str(ROOT), more.get("PYTHONPATH"))))
    environment = {**os.environ, **more, "FOLDER": str(files), "PYTHONPATH": search}
    command = [python, "-m", "uvicorn", app, "--port", str(port), *UVICORN]
    return _serving(command, port, files, cwd=folder, environment=environment)


@contextlib.contextmanager
def _serving(
    command: list[str], port: int, files: Path, *, cwd: Path, environment: Mapping[str, str], ready: str = "/"
) -> Iterator[Server]:
    """A server for the length of the block. Raises ServerMissing when it doesn't come up."""
    log = files.parent / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        server = Server(process.pid, port, files, log)
        _wait_for(process, server, ready)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], server: Server, path: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            connection.request("GET", path)
            answered = connection.getresponse().status
            connection.close()
            if answered < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                return
        time.sleep(0.1)
    raise ServerMissing(f"didn't start: {server.log_end}")
