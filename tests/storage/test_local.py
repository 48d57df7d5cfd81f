"""What only files can show: their modes, links that lead elsewhere, and the paths of old deployments."""

import errno
import os
import stat
from pathlib import Path

import pytest

from storage.contract import BytesMissing, NameRefused, OpensLocally, StorageFull, StorageUnavailable
from storage.local.storage import LocalStorage


def put(storage: LocalStorage, name: str, content: bytes) -> None:
    """Stores the bytes, or leaves nothing."""
    staged = storage.stage()
    try:
        staged.write(content)
        staged.publish(name, beside={f"{name}.json": b"{}"})
    except BaseException:
        staged.discard()
        raise


@pytest.fixture
async def storage(tmp_path: Path) -> LocalStorage:
    """A storage in `project/recordings`, as a deployment has it; old paths may count from the project's root."""
    local = LocalStorage(tmp_path / "project" / "recordings", old_roots=(tmp_path / "project",))
    await local.prepare()
    return local


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The storage's folder."""
    return tmp_path / "project" / "recordings"


async def test_recordings_are_private(storage: LocalStorage, root: Path) -> None:
    """Nobody but the server's own user reads a recording, or the folders on the way to it."""
    put(storage, "2026/11/a.wav", b"secret")
    await storage.replace("2026/11/a.wav.json", b"{}")
    for path in (root, *root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_a_recording_is_a_file(storage: LocalStorage, root: Path) -> None:
    """The local driver can open the file that holds the bytes."""
    put(storage, "a.wav", b"bytes")
    assert isinstance(storage, OpensLocally)
    with await storage.open_locally("a.wav") as file:
        assert (Path(file.name), file.read()) == ((root / "a.wav").resolve(), b"bytes")
    with pytest.raises(BytesMissing):
        await storage.open_locally("b.wav")


@pytest.mark.parametrize(
    "shape", ["old/a.wav", "./old/a.wav", "recordings/old/a.wav", "./recordings/old/a.wav", "{root}/old/a.wav"]
)
async def test_old_paths_are_found_under_the_root(storage: LocalStorage, root: Path, shape: str) -> None:
    """Rows of old deployments count from the storage, from the project's root, or hold a whole path."""
    (root / "old").mkdir()
    (root / "old" / "a.wav").write_bytes(b"an old one")
    name = shape.format(root=root)
    assert await storage.size(name) == len(b"an old one")
    assert b"".join([piece async for piece in storage.read(name)]) == b"an old one"
    await storage.delete(name)
    assert not (root / "old" / "a.wav").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "secret",
        "recordings/../secret",
        "{root}/../secret",
        "/etc/passwd",
        "out/secret",
        "link",
        "loop",
        "folder",
        "",
        ".",
        ".staging/half",
        "folder/" + "x" * 300,
        "a\x00b",
        "~/secret",
        "recordings/.staging/half",
    ],
)
async def test_nothing_outside_the_root_is_read_or_removed(storage: LocalStorage, root: Path, name: str) -> None:
    """Whatever a row says, bytes outside the storage stay where they are, unread; so do half-written ones."""
    secret = root.parent / "secret"
    secret.write_bytes(b"not yours")
    (root / "out").symlink_to(root.parent)
    (root / "link").symlink_to(secret)
    (root / "loop").symlink_to(root / "loop")
    (root / "folder").mkdir()
    (root / ".staging").mkdir()
    (root / ".staging" / "half").write_bytes(b"half")
    name = name.format(root=root)
    with pytest.raises(BytesMissing):
        await storage.size(name)
    with pytest.raises(BytesMissing):
        [piece async for piece in storage.read(name)]
    await storage.delete(name)
    assert secret.read_bytes() == b"not yours"
    assert (root / ".staging" / "half").exists()
    assert (root / "link").is_symlink()


async def test_a_link_out_of_the_root_takes_no_recording(storage: LocalStorage, root: Path, tmp_path: Path) -> None:
    """A folder that is a link to elsewhere is not written through."""
    (tmp_path / "elsewhere").mkdir()
    (root / "2026").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NameRefused):
        put(storage, "2026/a.wav", b"x")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert list((root / ".staging").iterdir()) == []


@pytest.mark.parametrize("call", ["write", "fsync", "link"])
async def test_a_full_disk_leaves_nothing(
    storage: LocalStorage, root: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full, whenever it says so, the upload is refused and leaves nothing."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StorageFull):
        put(storage, "a.wav", b"x")
    assert [path for path in root.rglob("*") if path.is_file()] == []


async def test_a_file_system_without_hard_links_will_do(
    storage: LocalStorage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where names can't be linked, bytes are stored all the same, and never overwritten."""

    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    put(storage, "a.wav", b"first")
    assert (root / "a.wav").read_bytes() == b"first"
    assert list((root / ".staging").iterdir()) == []


async def test_a_missing_folder_is_not_well(storage: LocalStorage, root: Path) -> None:
    """An unmounted disk is noticed; its folder isn't made anew under the mount's place."""
    root.rename(root.with_name("gone"))
    with pytest.raises(StorageUnavailable, match="missing"):
        await storage.check()
    with pytest.raises(StorageUnavailable):
        put(storage, "a.wav", b"x")
    assert not root.exists()


async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A storage that can't be made says so, without a traceback."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable):
        await LocalStorage(tmp_path / "file").prepare()
