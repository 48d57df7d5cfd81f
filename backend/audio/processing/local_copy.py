"""Opens stored bytes as a local file, and stores a local file's bytes."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.contract import PIECE_BYTES, BytesMissing, OpensLocally, Storage
from storage.threads import in_thread


@asynccontextmanager
async def stored_file(storage: Storage, name: str, *, scratch: Path | None) -> AsyncIterator[Path]:
    """A file with the bytes under `name`, for reading: the stored one where it lies on this machine, else a copy.

    The copy lies in the folder `scratch` (None: the system's) and is removed after the block. Raises StorageError, and
    BytesMissing where the stored file is deleted before the block has opened it.
    """
    if isinstance(storage, OpensLocally):
        with await storage.open_locally(name) as file:
            path = Path(str(file.name))
            try:
                yield path
            except FileNotFoundError as error:
                if await in_thread(path.exists):
                    raise
                raise BytesMissing from error
        return
    with tempfile.TemporaryDirectory(prefix="pegasus-", dir=scratch) as folder:
        copy = Path(folder) / "recording"
        with copy.open("xb") as target:
            async for piece in storage.read(name):
                await in_thread(lambda piece=piece: target.write(piece))  # type: ignore[misc]
        yield copy


def store(file: Path, storage: Storage, name: str) -> None:
    """Stores a file's bytes under `name`, durably. Blocks. Raises NameTaken or another StorageError."""
    staged = storage.stage()
    try:
        with file.open("rb") as source:
            while piece := source.read(PIECE_BYTES):
                staged.write(piece)
        staged.publish(name, beside={})
    except BaseException:
        staged.discard()
        raise
