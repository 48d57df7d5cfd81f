"""Uploads onto a disk that is full: refused as that, nothing half kept, and taken again once there is room.

The disk is a small tmpfs, which only root may mount: for other users there is nothing here to run.
"""

import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from core.settings import Settings, load_settings
from tests.api.conftest import Look, problem
from tests.audio.samples import recording

MOUNTS = os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0
DISK_MB = 8
MIB = 1024 * 1024
WAV = recording("wav")
TUS = {"Tus-Resumable": "1.0.0"}

if MOUNTS:

    @pytest.fixture
    def disk(tmp_path: Path) -> Iterator[Path]:
        """A folder with 8 MB for recordings."""
        folder = tmp_path / "disk"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "none", str(folder)], check=True)
        yield folder
        while subprocess.run(["umount", "--quiet", str(folder)], check=False).returncode:
            time.sleep(0.1)

    @pytest.fixture
    def settings(database: str, tmp_path: Path, disk: Path) -> Settings:
        """The settings of a server whose recordings lie on that disk."""
        return load_settings(
            database_url=database,
            data_path=tmp_path / "data",
            audio_storage_path=disk,
            max_file_size_mb=20,
            port=0,
        )

    def fill(disk: Path, *, leaving: int) -> Path:
        """Fills the disk but for so many bytes."""
        filling = disk / "filling"
        filling.write_bytes(bytes(DISK_MB * MIB - leaving))
        return filling

    async def test_an_upload_without_room_is_refused_before_it_is_sent(
        far_client: httpx.AsyncClient, kept: Look, disk: Path
    ) -> None:
        """What says that it is larger than the disk has room for isn't read."""
        answer = await far_client.post("/api/audio/upload", files={"file": ("a.wav", WAV + bytes(9 * MIB))})
        problem(answer, status=507, slug="storage-full")
        assert await kept() == type(await kept())([], set())

    @pytest.mark.parametrize("declared", [True, False])
    async def test_a_disk_that_fills_up_meanwhile(
        far_client: httpx.AsyncClient, kept: Look, disk: Path, *, declared: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An upload that fills the disk itself leaves nothing of it; with room again the next one is taken."""
        monkeypatch.setattr("storage.local.storage.FREE_SHARE", -2)  # others take the room that was there at first
        body = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + WAV + bytes(9 * MIB) + b"\r\n--b--\r\n"

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(body), 100_000):
                yield body[at : at + 100_000]

        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        headers |= {"Content-Length": str(len(body))} if declared else {}
        for _ in range(2):
            answer = await far_client.post("/api/audio/upload", content=pieces(), headers=headers)
            problem(answer, status=507, slug="storage-full")
            assert await kept() == type(await kept())([], set())
        filling = fill(disk, leaving=4096)
        answer = await far_client.post("/api/audio/upload", files={"file": ("a.wav", WAV)})
        problem(answer, status=507, slug="storage-full")
        assert (await kept()).files == {"filling"}
        filling.unlink()
        assert (await far_client.post("/api/audio/upload", files={"file": ("a.wav", WAV)})).status_code == 200

    async def test_a_resumable_upload_waits_for_room(
        far_client: httpx.AsyncClient, kept: Look, disk: Path, settings: Settings
    ) -> None:
        """What has arrived of a resumable upload stays; once there is room it goes on, and is whole."""
        content = WAV + os.urandom(3 * MIB)
        begun = await far_client.post("/api/uploads", headers=TUS | {"Upload-Length": str(len(content))})
        where, offset = begun.headers["location"], 0
        bring = TUS | {"Content-Type": "application/offset+octet-stream"}
        filling = fill(disk, leaving=2 * MIB)
        for answered in (507, 204):
            answer = await far_client.patch(
                where, content=content[offset:], headers=bring | {"Upload-Offset": str(offset)}
            )
            assert answer.status_code == answered, answer.text
            filling.unlink(missing_ok=True)
            offset = int((await far_client.head(where, headers=TUS)).headers["upload-offset"])
        [row] = (await kept()).rows
        assert (settings.storage_root / row["file_path"]).read_bytes() == content
