"""Many recordings as one ZIP file: whole and byte for byte, or broken off, and never short without a word."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZipFile

import httpx
import pytest

from app.storage_factory import open_storage
from audio.library.archive_names import LONGEST_BYTES, ArchiveNames
from audio.model.audio_file import AudioFile
from audio.transcription.contract import Segment, Transcript, Word
from audio.transcription.document import TranscriptDocument, write_document
from core.settings import Settings
from storage.contract import StorageUnavailable
from tests.api.conftest import MakeToken, Serve, Upload, problem
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.stored import Stored

ARCHIVE = "/api/audio/archive.zip"
WORDS = (Word("Good", 0.0, 0.4), Word("morning", 0.5, 1.0))


async def archived(client: httpx.AsyncClient, **parameters: Any) -> ZipFile:
    """The archive that a request is answered with."""
    answer = await client.get(ARCHIVE, params=parameters)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
    return ZipFile(io.BytesIO(answer.content))


async def titled(client: httpx.AsyncClient, upload: Upload, title: str, **fields: str) -> str:
    """The id of a new recording that is called so."""
    shown = await upload(**fields)
    assert (await client.patch(f"/api/audio/{shown['id']}", json={"title": title})).status_code == 200
    return str(shown["id"])


async def test_an_archive_holds_what_was_uploaded(
    client: httpx.AsyncClient, upload: Upload, run_sql: RunSql, settings: Settings, tmp_path: Path
) -> None:
    """Each recording has its bytes, its manifest and its transcript, under names that people know."""
    monday = await titled(client, upload, "Montag 16:16, Grüße 🎙", tag="Work")
    memo = (await upload("flac", file_name="memo.final.FLAC", tag="Work"))["id"]
    await upload(tag="Home")
    path = (await run_sql("SELECT file_path FROM audio_files WHERE id = $1", UUID(monday)))[0]["file_path"]
    heard = Transcript("Good morning", "en", WORDS, (Segment("Good morning", 0.0, 1.0),))
    await write_document(open_storage(settings), path, TranscriptDocument.of(heard, engine="test"))
    await run_sql("UPDATE audio_files SET original_transcript = 'Good morning' WHERE id = $1", UUID(monday))
    await run_sql("UPDATE audio_files SET original_transcript = $2 WHERE id = $1", UUID(memo), "Only the row has it")
    archive = await archived(client, tag="Work")
    name = "Montag 16_16, Grüße 🎙"
    assert archive.namelist() == [
        "memo.final.flac", "memo.final.json", "memo.final.txt",
        f"{name}.wav", f"{name}.json", f"{name}.txt", f"{name}.vtt",
    ]  # fmt: skip
    assert archive.read(f"{name}.wav") == recording("wav")
    assert archive.read("memo.final.flac") == recording("flac")
    assert json.loads(archive.read(f"{name}.json"))["id"] == monday
    assert archive.read(f"{name}.txt").decode().strip() == "Good morning"
    assert archive.read(f"{name}.vtt").decode().startswith("WEBVTT")
    assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    assert archive.getinfo(f"{name}.wav").flag_bits & 0x800  # UTF-8
    assert (await archived(client, ids=[memo, monday])).namelist() == archive.namelist()
    file = tmp_path / "archive.zip"
    file.write_bytes((await client.get(ARCHIVE)).content)
    subprocess.run([sys.executable, "-m", "zipfile", "-t", str(file)], check=True, capture_output=True)


async def test_large_entries_are_of_zip64(
    client: httpx.AsyncClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is larger than a ZIP file's numbers reach comes with longer ones; here they are taken to end early."""
    await upload()
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    archive = await archived(client)
    assert archive.testzip() is None
    assert archive.getinfo("memo.wav").extract_version == zipfile.ZIP64_VERSION
    assert archive.read("memo.wav") == recording("wav")


async def test_what_storage_has_lost_is_listed(client: httpx.AsyncClient, upload: Upload, settings: Settings) -> None:
    """A recording whose bytes are gone doesn't keep the others back, and its name stands in the archive."""
    [lost, _] = [await upload(file_name="lost.wav"), await upload(file_name="there.wav")]
    names = [name for name in Stored(settings).sizes() if lost["id"].replace("-", "")[:16] in name]
    Stored(settings).remove(min(names, key=len))
    archive = await archived(client)
    assert archive.namelist() == ["there.wav", "there.json", "lost.json", "missing.txt"]
    assert archive.read("missing.txt").decode() == f"{lost['id']} lost\n"


async def test_an_archive_breaks_off_with_storage(
    far_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """When storage fails in the middle the transfer is broken, so that nobody takes the archive for whole."""
    await far_client.post("/api/audio/upload", files={"file": ("memo.wav", recording("wav"))})
    kind = type(open_storage(settings))
    whole = kind.read

    async def failing(self: Any, name: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        async for piece in whole(self, name, start=start, stop=stop):
            yield piece[: len(piece) // 2]
            raise StorageUnavailable("it went away")

    monkeypatch.setattr(kind, "read", failing)
    with pytest.raises(httpx.RemoteProtocolError):
        await far_client.get(ARCHIVE)
    assert (await far_client.get("/health/live")).status_code == 200


async def test_bytes_that_end_early_break_it_off(
    far_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """A recording that storage sends less of than it said isn't passed off as whole."""
    await far_client.post("/api/audio/upload", files={"file": ("memo.wav", recording("wav"))})
    kind = type(open_storage(settings))
    whole = kind.read

    async def shortened(self: Any, name: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        async for piece in whole(self, name, start=start, stop=stop):
            yield piece[:-1]

    monkeypatch.setattr(kind, "read", shortened)
    with pytest.raises(httpx.RemoteProtocolError):
        await far_client.get(ARCHIVE)


async def test_nobody_elses_recordings_come(serve: Serve, make_token: MakeToken) -> None:
    """Other people's recordings are missing, whether they are named or looked for."""
    ada, eve = [{"Authorization": f"Bearer {(await make_token(user))[1]}"} for user in ("ada", "eve")]
    async with serve(auth="tokens") as client:
        files = {"file": ("memo.wav", recording("wav"))}
        shown = (await client.post("/api/audio/upload", files=files, headers=ada)).json()
        for parameters in ({"ids": shown["id"]}, {"user_id": "ada"}, {}):
            answer = await client.get(ARCHIVE, params=parameters, headers=eve)
            problem(answer, status=404, slug="recording-missing")
        assert (await client.get(ARCHIVE, params={"ids": shown["id"]}, headers=ada)).status_code == 200


async def test_what_makes_no_archive_is_refused(
    client: httpx.AsyncClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many recordings, an unknown one, and a request that says two things are refused before a byte is sent."""
    shown = [await upload(tag="Work") for _ in range(3)]
    unknown = {"ids": [shown[0]["id"], str(uuid4())]}
    problem(await client.get(ARCHIVE, params=unknown), status=404, slug="recording-missing")
    both = {"ids": shown[0]["id"], "tag": "Home"}
    problem(await client.get(ARCHIVE, params=both), status=422, slug="request-invalid")
    problem(await client.get(ARCHIVE, params={"ids": "memo"}), status=422, slug="request-invalid")
    problem(await client.get(ARCHIVE, params={"tags": "Work"}), status=422, slug="request-invalid")
    monkeypatch.setattr("audio.library.archive.LARGEST", 2)
    answer = problem(await client.get(ARCHIVE, params={"tag": "Work"}), status=422, slug="archive-too-large")
    assert (answer["limit"], answer["received"]) == (2, 3)


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("Interview", "Interview"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ('a\\b:c*d?e"f<g>h|i', "a_b_c_d_e_f_g_h_i"),
        ("Con", "_Con"),
        ("nul.backup", "_nul.backup"),
        ("... ", "recording"),
        ("memo\u202egpj.exe", "memo_gpj.exe"),
        ("e\u0301te\u0301", "été"),
        ("ü" * 200, "ü" * (LONGEST_BYTES // 2)),
        ("missing", "missing (2)"),
    ],
)
def test_a_name_is_one_that_every_system_keeps(title: str, stem: str) -> None:
    """A title becomes a name without a path, that no system refuses or takes for something else."""
    names = ArchiveNames(reserved="missing")
    assert names.stem(AudioFile(title=title, filename="audio.wav")) == stem


def test_no_two_names_are_the_same() -> None:
    """Recordings of one name are numbered, also where only some systems take two names for the same."""
    names = ArchiveNames(reserved="missing")
    titles = ["Memo", "memo", "MEMO", "memo (2)", "memo (3)", "memo"]
    stems = [names.stem(AudioFile(title=title, filename="audio.wav")) for title in titles]
    assert stems[:3] == ["Memo", "memo (2)", "MEMO (3)"]
    assert len({stem.casefold() for stem in stems}) == len(titles)
    assert names.extension(AudioFile(filename="audio.m4a")) == ".m4a"
