"""Every driver of storage, one after the other."""

from pathlib import Path
from typing import Protocol

import pytest

from storage.contract import Storage
from storage.local.storage import LocalStorage
from storage.s3.bucket import Bucket
from storage.s3.multipart_upload import unfinished
from storage.s3.storage import S3Storage
from tests.api.conftest import database
from tests.object_store import names_in

__all__ = ["database"]


class Driver(Protocol):
    """A storage with a look behind it, at what it really keeps."""

    storage: Storage

    def kept(self) -> set[str]:
        """The name of everything that is kept, the half-written included."""


class LocalDriver:
    """The local driver on an empty folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.storage: Storage = LocalStorage(root)

    def kept(self) -> set[str]:
        """The name of every file below the root."""
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir()}


class S3Driver:
    """The S3 driver on an empty place in a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.storage: Storage = S3Storage(bucket)

    def kept(self) -> set[str]:
        """The name of every object, and what a multipart upload that hasn't ended would be."""
        return set(names_in(self.bucket)) | {name for name, _, _ in unfinished(self.bucket)}


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.xdist_group("object store"))])
async def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Driver:
    """A fresh storage of each kind."""
    if request.param == "s3":
        return S3Driver(request.getfixturevalue("object_store").bucket())
    local = LocalDriver(tmp_path / "recordings")
    await LocalStorage(local.root).prepare()
    return local
