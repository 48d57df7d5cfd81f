"""The client of the benchmarks counts as taken what was taken, and nothing else."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LARGE = 1_000_000
LARGE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"


def answering(*pieces: bytes) -> int:
    """The port of a server that answers one request, in these pieces, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with listener, connection, suppress(OSError):
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.02)  # so that they don't arrive as one

    threading.Thread(target=serve).start()
    port: int = listener.getsockname()[1]
    return port


def downloaded(folder: Path, port: int, *, size: int) -> dict[str, Any]:
    """What the client tells of one download of that size."""
    file = folder / "file"
    file.write_bytes(bytes(size))
    command = [sys.executable, "-m", "benchmarks.intake.load", "--way", "get", "--path", "/", "--port", str(port)]
    ran = subprocess.run([*command, "--file", file], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def test_an_answer_in_pieces_is_read_whole(tmp_path: Path) -> None:
    """The body's beginning is told, however it comes."""
    port = answering(b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 6\r\n\r\n", b"abc", b"def")
    told = downloaded(tmp_path, port, size=6)
    assert (told["taken"], told["not_taken"], told["last_body"]) == (1, {}, "abcdef")


def test_a_large_answer_is_thrown_away(tmp_path: Path) -> None:
    """A download counts once all of it has come."""
    told = downloaded(tmp_path, answering(LARGE_HEAD, bytes(LARGE)), size=LARGE)
    assert (told["taken"], told["bytes"], told["not_taken"]) == (1, LARGE, {})


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ((LARGE_HEAD, bytes(LARGE // 2)), "0"),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345",), "0"),
        ((b"HTTP/1.1 200 OK\r\n\r\n12345",), "0"),
        ((b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",), "404"),
        ((), "0"),
    ],
    ids=["half", "too short", "of unknown length", "refused", "no answer"],
)
def test_what_is_not_whole_is_not_counted(tmp_path: Path, pieces: Sequence[bytes], status: str) -> None:
    """Half an answer, another answer, a refusal and none are told as not taken."""
    told = downloaded(tmp_path, answering(*pieces), size=LARGE)
    assert (told["taken"], told["not_taken"]) == (0, {status: 1})
