"""Every driver of storage, one after the other."""

from pathlib import Path
from typing import Protocol

import pytest

from storage.contract import Storage
from storage.local import LocalStorage
from tests.api.conftest import database

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


@pytest.fixture(params=["local"])
async def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Driver:
    """A fresh storage of each kind."""
    assert request.param == "local"
    local = LocalDriver(tmp_path / "recordings")
    await LocalStorage(local.root).prepare()
    return local
