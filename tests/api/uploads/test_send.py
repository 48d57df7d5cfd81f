"""`python -m commands.send`: folders of recordings, sent once, over connections that break."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from commands.upload_client import FORM_BYTES
from core.settings import Settings
from tests.api.conftest import Look
from tests.audio.samples import recording
from tests.forks import ended_fork
from tests.programs import BACKEND
from tests.stored import Stored

SMALL = recording("wav")
LARGE = SMALL + os.urandom(FORM_BYTES + 1_000_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recordings, one of them in a folder of its own, and what isn't one."""
    folder = tmp_path / "Recordings"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "Größe.wav").write_bytes(LARGE)
    (folder / "memo.wav").write_bytes(SMALL)
    (folder / ".hidden.wav").write_bytes(SMALL + b"0")
    (folder / "notes.txt").write_text("not for anybody", encoding="utf-8")
    return folder


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """They let a large file in."""
    return Settings(**settings.model_dump() | {"max_file_size_mb": 10})


async def send(server: str, *arguments: str | Path, state: Path, **environment: str) -> tuple[int, str, str]:
    """The exit code, what is printed and what is complained of."""
    words = ["-m", "commands.send", "--to", server, *map(str, arguments)]
    done = await asyncio.to_thread(ended_fork, *words, XDG_STATE_HOME=str(state), **environment)
    return done.returncode, done.stdout, done.stderr


@asynccontextmanager
async def breaking(server: str, *, after_bytes: int) -> AsyncIterator[str]:
    """An address in front of the server at which a connection breaks once so much was sent over it."""
    target = urlsplit(server)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(target.hostname, target.port)
        answers = asyncio.create_task(_pass_on(to_reader, writer))
        await _pass_on(reader, to_writer, limit=after_bytes)
        answers.cancel()
        for one in (writer, to_writer):
            one.transport.abort()

    async with await asyncio.start_server(connect, "127.0.0.1") as listening:
        host, port = listening.sockets[0].getsockname()
        yield f"http://{host}:{port}"


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int = 10**12) -> None:
    while limit > 0 and (piece := await reader.read(min(limit, 65_536))):
        limit -= len(piece)
        writer.write(piece)
        await writer.drain()


async def test_a_folder_is_sent_once(server: str, folder: Path, kept: Look, settings: Settings, tmp_path: Path) -> None:
    """Its recordings are there with the labels and their names; sent again, and from elsewhere, none is doubled."""
    code, out, err = await send(server, folder, "--tag", "Field", state=tmp_path / "state")
    assert (code, out, err) == (0, "2 recordings: 2 sent.\n", "")
    rows = {row["original_filename"]: row for row in (await kept()).rows}
    assert {name: row["tag"] for name, row in rows.items()} == {"Größe.wav": "Field", "memo.wav": "Field"}
    assert Stored(settings).read(rows["Größe.wav"]["file_path"]) == LARGE
    (folder / "copy of it.wav").write_bytes(SMALL)
    code, out, err = await send(server, folder, state=tmp_path / "another state")
    assert (code, out, err) == (0, "3 recordings: 3 there already.\n", "")
    assert len((await kept()).rows) == 2


async def test_a_large_file_goes_on(server: str, folder: Path, kept: Look, settings: Settings, tmp_path: Path) -> None:
    """However often the connection breaks, and in another run, too, what has arrived isn't sent again."""
    state = tmp_path / "state"
    async with breaking(server, after_bytes=3_000_000) as address:
        code, out, err = await send(address, folder / "inner", state=state)
    assert (code, out, err) == (0, "1 recording: 1 sent.\n", "")
    [row] = (await kept()).rows
    assert Stored(settings).read(row["file_path"]) == LARGE
    assert (state / "pegasus").is_dir()


async def test_what_is_refused_is_told(server: str, tmp_path: Path, kept: Look) -> None:
    """A file that isn't audio is named with the server's reason, the others are sent, and the exit code is 1."""
    (tmp_path / "a.mp3").write_bytes(b"no audio at all " * 4096)
    (tmp_path / "b.wav").write_bytes(SMALL)
    code, out, err = await send(server, tmp_path, state=tmp_path / "state")
    assert (code, out) == (1, "2 recordings: 1 failed, 1 sent.\n")
    assert err.startswith(f"{tmp_path / 'a.mp3'}: The uploaded bytes are not audio in a known format")
    assert len((await kept()).rows) == 1


async def test_a_dry_run_sends_nothing(server: str, folder: Path, kept: Look, tmp_path: Path) -> None:
    """It names what would be sent."""
    code, out, _ = await send(server, folder, "--dry-run", state=tmp_path / "state")
    expected = [str(folder / "inner" / "Größe.wav"), str(folder / "memo.wav"), "2 recordings: 2 to be sent."]
    assert (code, out.splitlines()) == (0, expected)
    assert (await kept()).rows == []


async def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    """In a sentence, before anything is sent."""
    code, _, err = await send("http://127.0.0.1:1", tmp_path / "nowhere", state=tmp_path / "state")
    assert (code, err.splitlines()[-1]) == (2, f"python -m commands.send: error: there is no {tmp_path / 'nowhere'}")


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "localhost:8000", "pegasus.example", "http://", "http://a:b"])
async def test_an_address_that_is_none_is_told(tmp_path: Path, address: str) -> None:
    """What is no address of a server, as without its scheme, is a wrong argument, and isn't tried for minutes."""
    code, _, complaints = await send(address, tmp_path, state=tmp_path)
    assert code == 2
    assert f"{address} is no address of a server" in complaints


async def test_a_watched_folder_is_sent_as_it_fills(server: str, folder: Path, kept: Look, tmp_path: Path) -> None:
    """What comes later is sent as well, once it is whole; a signal ends it with the summary."""
    words = [sys.executable, "-m", "commands.send", "--to", server, "--watch", str(folder)]
    more = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, cwd=BACKEND, env=more, stdout=pipe, stderr=pipe)
    while len((await kept()).rows) < 2:
        await asyncio.sleep(0.1)
    (folder / "later.wav").write_bytes(SMALL + b"later")
    while len((await kept()).rows) < 3:
        await asyncio.sleep(0.1)
    process.terminate()  # SIGINT is ignored by what a shell has started in the background
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    # The row is there before its answer is: what the signal meets on its way isn't counted.
    assert out.decode() in {"2 recordings: 2 sent.\n", "3 recordings: 3 sent.\n"}
