"""The Dockerfile's steps, run without privileges in an empty folder: what they make serves recordings."""

import io
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.packaging.replay import ROOT, Replay, account, hand_over, instructions, values

START_SECONDS = 100


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
