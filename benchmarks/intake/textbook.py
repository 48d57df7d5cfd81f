"""The upload as every tutorial writes it: UploadFile, copyfileobj, a row, COMMIT; and FileResponse for the way out.

It keeps the same row as Pegasus in the same PostgreSQL. It neither hashes nor looks at the bytes, and a crash may leave
half a file. FSYNC=1 syncs each file and its folder before the row, in a thread, so that nobody waits for the disk.
"""

import os
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from audio.model.audio_file import AudioFile, Base

FOLDER = Path(os.environ["FOLDER"])
FSYNC = os.environ.get("FSYNC") == "1"
engine = create_async_engine(os.environ["DATABASE_URL"])
new_session = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Makes the table."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/upload")
async def upload(file: UploadFile, tag: Annotated[str, Form()]) -> dict[str, str]:
    """Takes a recording in."""
    path = FOLDER / f"{uuid.uuid4()}.wav"
    with path.open("wb") as kept:  # as the tutorials do, on the event loop
        shutil.copyfileobj(file.file, kept)
    if FSYNC:
        await run_in_threadpool(sync, path)
    recording = AudioFile(
        filename=path.name,
        original_filename=file.filename,
        file_path=str(path),
        file_size_bytes=file.size,
        mime_type=file.content_type,
        tag=tag,
    )
    async with new_session() as session:
        session.add(recording)
        await session.commit()
    return {"id": str(recording.id), "filename": path.name}


@app.get("/files/{name}")
async def download(name: str) -> FileResponse:
    """Sends a recording."""
    return FileResponse(FOLDER / name)


def sync(path: Path) -> None:
    """Makes a file and its name durable."""
    for synced in (path, path.parent):
        descriptor = os.open(synced, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
