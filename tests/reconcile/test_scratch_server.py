"""The PostgreSQL that a recording starts for itself: it is there, it is private, and it leaves nothing."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from sqlalchemy import URL

from reconcile.scratch.server import own_server
from tests.programs import BACKEND

HOLD = """
import sys, time
from reconcile.scratch.server import own_server

with own_server("ada") as address:
    print(address.query["host"], flush=True)
    time.sleep(600)
"""


def connect(address: URL) -> psycopg.Connection:
    host, port = (str(address.query[name]) for name in ("host", "port"))
    return psycopg.connect(host=host, port=port, user=address.username, dbname=address.database, autocommit=True)


def test_it_serves_and_goes() -> None:
    """Its superuser has the name that is asked for, nobody else may enter its folder, and with the block it is gone."""
    with own_server("Ada L.") as address:
        folder = Path(str(address.query["host"]))
        with connect(address) as connection:
            row = connection.execute(
                "SELECT current_user, usesuper FROM pg_user WHERE usename = current_user"
            ).fetchone()
            listens = connection.execute("SHOW listen_addresses").fetchone()
        assert row == ("Ada L.", True)
        assert listens == ("",)
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_it_ends_with_a_killed_process() -> None:
    """Whoever started it may be killed: server and folder go by themselves."""
    with subprocess.Popen([sys.executable, "-c", HOLD], cwd=BACKEND, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        assert (folder / "data" / "postmaster.pid").exists()
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
