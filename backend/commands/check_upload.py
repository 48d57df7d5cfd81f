"""Uploads a recording with a tag and a category, checks what comes back, and removes it.

    python3 test_upload_endpoint.py [base_url]

Without a URL it starts the server itself, on a free port, with the settings of this machine and a token for this run.
A server at a URL that asks for a token gets the one in the environment's TOKEN.
"""

import hashlib
import io
import math
import os
import secrets
import socket
import struct
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 60.0
TAG, CATEGORY = "Upload check", "Self-test"


class CheckFailed(Exception):
    """A response isn't as expected."""


def main(arguments: list[str]) -> int:
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(__doc__)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    try:
        if arguments:
            check(arguments[0], token=os.environ.get("TOKEN", ""))
        else:
            token = secrets.token_urlsafe()
            with own_server(token) as base_url:
                check(base_url, token=token)
    except CheckFailed as error:
        print(f"❌ {error}", file=sys.stderr)
        return 1
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        print(f"❌ The server doesn't answer: {error}", file=sys.stderr)
        return 1
    print("✅ The upload endpoint works, tag and category included.")
    return 0


def check(base_url: str, *, token: str) -> None:
    """Uploads, reads, lists, downloads and deletes one second of sound."""
    sound = sine_wave()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=base_url.rstrip("/"), headers=headers, timeout=30, trust_env=False) as client:
        files = {"file": ("upload check.wav", sound, "audio/wav")}
        recording = json_of(client.post("/api/audio/upload", data={"tag": TAG, "category": CATEGORY}, files=files))
        path = f"/api/audio/{recording['id']}"
        try:
            expect("the upload's tag and category", (recording["tag"], recording["category"]), (TAG, CATEGORY))
            print(f"✅ Uploaded {len(sound)} bytes as {recording['filename']}")
            expect("the recording's tag", json_of(client.get(path))["tag"], TAG)
            listed = json_of(client.get("/api/audio/", params={"tag": TAG, "category": CATEGORY}))["items"]
            expect("the list for its tag", recording["id"] in [item["id"] for item in listed], True)
            print("✅ Found by its tag and category")
            download = client.get(f"{path}/download")
            expect("the download", digest(download.content), digest(sound))
            print("✅ Downloaded, byte for byte the same")
        finally:
            json_of(client.delete(path))
        print("✅ Removed again")


def json_of(response: httpx.Response) -> Any:
    if response.status_code != httpx.codes.OK:
        raise CheckFailed(
            f"{response.request.method} {response.url.path} answered {response.status_code}: {response.text}"
        )
    return response.json()


def expect(subject: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise CheckFailed(f"{subject} is {actual!r}, not {expected!r}")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sine_wave() -> bytes:
    """A WAV file of one second: 440 Hz, mono, 16 bits, 8 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        for position in range(8000):
            sound.writeframesraw(struct.pack("<h", int(8000 * math.sin(2 * math.pi * 440 * position / 8000))))
    return file.getvalue()


@contextmanager
def own_server(token: str) -> Iterator[str]:
    """Runs the server of this checkout inside of the block; its messages go to stderr."""
    environment = os.environ | {"HOST": "127.0.0.1", "PORT": str(free_port()), "WORKERS": "1", "LOG_LEVEL": "WARNING"}
    environment["AUTH_TOKENS"] = f"{token}=*"
    base_url = f"http://127.0.0.1:{environment['PORT']}"
    main_file = Path(__file__).resolve().parents[1] / "main.py"
    with subprocess.Popen([sys.executable, str(main_file)], env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until_ready(base_url, server)
            yield base_url
        finally:
            server.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(base_url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise CheckFailed("the server didn't start; its reason stands above")
        try:
            if httpx.get(f"{base_url}/health/ready", trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise CheckFailed(f"the server wasn't ready within {START_SECONDS:.0f} seconds")
