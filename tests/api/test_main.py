"""`python main.py`, as a person starts and ends it: what it says, what it leaves, how it exits."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

from core.settings import ROOT
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.forks import Fork

START_SECONDS = 100


class Run:
    """One run of the server, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str] | Fork, log: IO[str]) -> None:
        self.process = process
        self.said: list[str] = []
        self._heard = threading.Condition()
        self._listener = threading.Thread(target=self._listen, args=[log])
        self._listener.start()

    def _listen(self, log: IO[str]) -> None:
        for line in log:
            with self._heard:
                self.said.append(line)
                self._heard.notify_all()

    def url(self) -> str:
        """Where it says that it serves."""
        with self._heard:
            assert self._heard.wait_for(lambda: any("at" in self._event(line) for line in self.said), START_SECONDS), (
                self.said
            )
        return next(str(event["at"]) for event in map(self._event, self.said) if "at" in event)

    def end(self, signal_number: int) -> int:
        """Ends it by a signal, and returns its exit code."""
        self.process.send_signal(signal_number)
        return self.ended()

    def ended(self) -> int:
        """Its exit code, once it has ended and all is heard."""
        code = self.process.wait(START_SECONDS)
        self._listener.join(START_SECONDS)
        return code

    def events(self) -> list[dict[str, object]]:
        """Every line of its log; a line that isn't JSON fails."""
        return [json.loads(line) for line in self.said]

    @staticmethod
    def _event(line: str) -> dict[str, object]:
        try:
            return dict(json.loads(line))
        except ValueError:
            return {}


@contextmanager
def running(tmp_path: Path, *command: str, **environment: str) -> Iterator[Run]:
    """Starts the server, by `python main.py` from `backend/` unless told otherwise; it is gone afterwards."""
    process = subprocess.Popen(
        command or [sys.executable, "main.py"],
        cwd=ROOT / "backend",
        env=_variables(tmp_path, environment),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr as log:
        yield from _ended(process, log)


@contextmanager
def forked(tmp_path: Path, *arguments: str, **environment: str) -> Iterator[Run]:
    """The same `main.py`, for tests that aren't about its start: a fork, which needn't import everything again."""
    read, write = os.pipe()
    with Path(os.devnull).open("wb") as nowhere:
        process = Fork(
            "main.py",
            *arguments,
            environment=_variables(tmp_path, environment),
            stdout=nowhere.fileno(),
            stderr=write,
        )
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as log:
        yield from _ended(process, log)


def _variables(data: Path, more: dict[str, str]) -> dict[str, str]:
    return os.environ | {"DATA_PATH": str(data), "PORT": "0", "LOG_FORMAT": "json"} | more


def _ended(process: subprocess.Popen[str] | Fork, log: IO[str]) -> Iterator[Run]:
    run = Run(process, log)
    try:
        yield run
    finally:
        process.kill()
        run.ended()


def refusal(tmp_path: Path, **environment: str) -> tuple[int, str]:
    """The exit code of a start that is refused, and all that it says."""
    with forked(tmp_path, **environment) as run:
        code = run.ended()
        return code, "".join(run.said)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_serves_until_it_is_told_to_end(tmp_path: Path, database: str, signal_number: int, workers: str) -> None:
    """It says where it serves, takes recordings in, and on Ctrl-C or SIGTERM ends in order and without a traceback."""
    with running(tmp_path, DATABASE_URL=database, WORKERS=workers) as run:
        url = run.url()
        answer = httpx.post(f"{url}/api/audio/upload", files={"file": ("memo.wav", recording("wav"))})
        assert answer.status_code == 200
        assert run.end(signal_number) == 0
    assert all("exception" not in event for event in run.events())
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def test_server_processes_end_with_their_supervisor(tmp_path: Path, database: str) -> None:
    """A supervisor that is killed leaves no process behind that would go on serving, and hold the port."""
    with running(tmp_path, DATABASE_URL=database, WORKERS="2") as run:
        port = int(run.url().rpartition(":")[2])
        run.process.kill()
        while True:  # the test's own timeout says when one never ends
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    break
            time.sleep(0.05)
    assert all("exception" not in event for event in run.events())


async def test_old_code_serves_beside_new_code(tmp_path: Path, database: str, run_sql: RunSql) -> None:
    """While newer code is rolled out, or back, older code refuses its schema or, if it is allowed, serves on it."""
    with forked(tmp_path, DATABASE_URL=database) as run:
        run.url()
        await run_sql("ALTER TABLE audio_files ADD COLUMN mood varchar(20)")
        await run_sql("UPDATE alembic_version SET version_num = '003'")
        code, said = refusal(tmp_path / "old", DATABASE_URL=database)
        assert (code, "ALLOW_AHEAD" in said) == (22, True)
        with forked(tmp_path / "older", DATABASE_URL=database, ALLOW_AHEAD="true") as older:
            urls = [run.url(), older.url()]
            for url in urls:
                answer = httpx.post(f"{url}/api/audio/upload", files={"file": ("memo.wav", recording("wav"))})
                assert answer.status_code == 200
            assert {httpx.get(f"{url}/api/audio/").json()["total"] for url in urls} == {2}
            assert older.end(signal.SIGTERM) == 0
    assert [row["version_num"] for row in await run_sql("SELECT version_num FROM alembic_version")] == ["003"]


def test_an_upload_under_way_is_finished_first(tmp_path: Path, database: str) -> None:
    """A server that is told to end finishes the upload that it has begun."""
    with forked(tmp_path, DATABASE_URL=database) as run:
        address = httpx.URL(run.url())
        content = recording("wav") + bytes(400_000)
        body = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + content + b"\r\n--b--\r\n"
        head = "POST /api/audio/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        with socket.create_connection((address.host, address.port or 0)) as client:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:300_000])
            while not list(tmp_path.rglob(".staging/*")):
                pass
            run.process.send_signal(signal.SIGTERM)
            while not any("stops" in line for line in run.said):
                pass
            client.sendall(body[300_000:])
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        assert run.ended() == 0


def test_the_log_tells_nothing_of_what_was_uploaded(tmp_path: Path, database: str) -> None:
    """Each line is JSON, a request's lines bear its id, and none holds a tag, a name or a place in storage."""
    with forked(tmp_path, DATABASE_URL=database, LOG_LEVEL="DEBUG") as run:
        url = run.url()
        fields = {"tag": "hush-tag", "category": "hush-category", "user_id": "hush-user"}
        for content in (recording("wav"), b"hush-content"):
            httpx.post(f"{url}/api/audio/upload", files={"file": ("hush-name.wav", content)}, data=fields)
        httpx.get(f"{url}/api/audio/", params={"tag": "hush-tag", "q": "hush-words"}, headers={"X-Request-ID": "ask-1"})
        assert run.end(signal.SIGTERM) == 0
    assert "hush" not in "".join(run.said)
    [stored] = tmp_path.rglob("audio_*.wav")
    assert stored.stem not in "".join(run.said)
    requests = [event for event in run.events() if event.get("logger") == "pegasus.request"]
    assert [event["status"] for event in requests] == [200, 415, 200]
    assert requests[-1]["request_id"] == "ask-1"
    assert {"method", "path", "duration_ms"} <= set(requests[-1])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_unreachable_database_is_one_sentence(tmp_path: Path, workers: str) -> None:
    """A start without its database ends at once, saying where it looked, and never the password."""
    address = "postgresql://ada:hush@127.0.0.1:1/pegasus"
    code, said = refusal(tmp_path, DATABASE_URL=address, WORKERS=workers)
    assert code == 1
    assert said == "The database at 127.0.0.1:1 can't be reached: nothing listens there.\n"


def test_a_taken_port_is_one_sentence(tmp_path: Path, database: str) -> None:
    """A port that somebody else has ends the start, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = refusal(tmp_path, DATABASE_URL=database, PORT=str(port))
    assert code == 2
    taken_port = f"The setting PORT can't be used: 127.0.0.1 port {port}: address already in use"
    assert said == f"{taken_port}; choose another one: PORT={port + 1} make run.\n"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"HOST": "no..host", "AUTH": "open"}, "The setting HOST names no address of this machine"),
        ({"HOST": "0.0.0.0"}, "set AUTH=tokens to ask for one, or AUTH=open"),
        ({"PORT": "many"}, "The setting PORT has an impossible value"),
        (
            {"AUDIO_STORAGE_PATH": "/dev/null/recordings"},
            "The setting AUDIO_STORAGE_PATH names a folder that can't be used",
        ),
    ],
)
def test_impossible_settings_are_one_sentence(
    tmp_path: Path, database: str, environment: dict[str, str], sentence: str
) -> None:
    """A setting that can't be is named in one plain sentence, and the exit code says that it was a setting."""
    code, said = refusal(tmp_path, DATABASE_URL=database, **environment)
    assert code == 2
    assert sentence in said
    assert "Traceback" not in said


def test_another_server_reports_a_refusal_as_plainly(tmp_path: Path) -> None:
    """Started by uvicorn itself, a refused start is a sentence too."""
    command = [sys.executable, "-m", "uvicorn", "main:create_app", "--factory", "--port", "0"]
    with running(tmp_path, *command, DATABASE_URL="postgresql://ada:hush@127.0.0.1:1/pegasus") as run:
        assert run.ended() == 3
    said = "".join(run.said)
    assert "The database at 127.0.0.1:1 can't be reached: nothing listens there." in said
    assert "Traceback" not in said
    assert "hush" not in said


def test_another_server_serves(tmp_path: Path, database: str) -> None:
    """`uvicorn main:app` serves what `python main.py` does, and says what it doesn't bound."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
    with running(tmp_path, *command, DATABASE_URL=database) as run:
        while not any("Uvicorn running" in line for line in run.said):
            time.sleep(0.05)
        url = f"http://127.0.0.1:{port}"
        answer = httpx.post(f"{url}/api/audio/upload", files={"file": ("memo.wav", recording("wav"))})
        assert answer.status_code == 200
        document = httpx.get(f"{url}/openapi.json").json()
        assert document["info"]["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        assert run.end(signal.SIGTERM) == -signal.SIGTERM  # as uvicorn ends by itself
    assert any("bounds neither heads nor connections" in line for line in run.said)
