"""A real PgBouncer in front of the tests' PostgreSQL, in transaction mode unless another is asked for."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

START_SECONDS = 100
CONFIGURATION = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 300
server_idle_timeout = 2
"""


def program() -> str:
    """Where PgBouncer is; a machine without it is told how to get it."""
    path = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    assert path, "These tests need PgBouncer: make pgbouncer"
    return path


@contextmanager
def pooled(address: str, *, mode: str = "transaction", size: int = 20) -> Iterator[str]:
    """The address by which a database is reached through PgBouncer, for as long as the block lasts."""
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = probe.getsockname()[1]
    # PgBouncer refuses to run as root, and PostgreSQL's socket is its owner's alone.
    owner = Path(query["host"]).stat()
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    password = Path(query["passfile"]).read_text(encoding="utf-8").strip().rpartition(":")[2]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        Path(folder).chmod(0o755)
        Path(folder, "users.txt").write_text(f'"{parts.username}" "{password}"\n')
        configuration = Path(folder, "pgbouncer.ini")
        configuration.write_text(CONFIGURATION.format(folder=folder, listen=listen, mode=mode, size=size, **query))
        process = subprocess.Popen(  # type: ignore[call-overload]
            [program(), "-q", str(configuration)], cwd=folder, stderr=subprocess.DEVNULL, **account
        )
        try:
            _wait_until_it_listens(process, listen)
            yield f"postgresql://{parts.username}@127.0.0.1:{listen}{parts.path}"
        finally:
            process.kill()
            process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(START_SECONDS * 50):
        assert process.poll() is None, "PgBouncer doesn't start"
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.02)
    raise AssertionError("PgBouncer doesn't listen")


@contextmanager
def crowd(address: str) -> Iterator[None]:
    """Other clients of a pooler, each of which begins one short transaction after the other."""
    ended = threading.Event()

    def work() -> None:
        with psycopg.connect(address, autocommit=True, prepare_threshold=None) as connection:
            while not ended.is_set():
                connection.execute("SELECT pg_sleep(0.001)")

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
