"""The least that a Python server can do for a recording and be as sure: no framework, no policy, no job, no log.

uvicorn hands over the body; one hop to a thread hashes the file's bytes, writes them under another name, syncs, and
renames; one statement enters the row. What Pegasus costs more than this is what it does more; what this costs more than
half of the textbook no Python server can be twice as fast as.
"""

import asyncio
import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import Any

import asyncpg

FOLDER = Path(os.environ["FOLDER"])
DATABASE = os.environ["DATABASE_URL"].replace("postgresql+asyncpg:", "postgresql:")
CONNECTIONS = 10
TABLE = "CREATE TABLE IF NOT EXISTS bare (id uuid PRIMARY KEY, path text, sha256 bytea, size_bytes bigint, tag text)"
ROW = "INSERT INTO bare VALUES ($1, $2, $3, $4, $5)"
pools: list[asyncpg.Pool] = []


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Takes recordings in by POST; answers anything else with 404."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["method"] == "POST":
        await send_json(send, 200, await upload(await read(receive)))
    else:
        await send_json(send, 404, {})


async def live(receive: Any, send: Any) -> None:
    """Makes the table."""
    await receive()
    pools.append(await asyncpg.create_pool(DATABASE, min_size=CONNECTIONS, max_size=CONNECTIONS))
    await pools[0].execute(TABLE)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pools[0].close()
    await send({"type": "lifespan.shutdown.complete"})


async def read(receive: Any) -> bytes:
    """The whole body."""
    pieces, more = [], True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


async def upload(body: bytes) -> dict[str, str]:
    """Keeps the file of a form."""
    boundary = body[: body.index(b"\r\n")]
    begin = body.index(b"\r\n\r\n", body.index(b'name="file"')) + 4
    content = memoryview(body)[begin : body.index(b"\r\n" + boundary, begin)]
    identity = uuid.uuid4()
    path = FOLDER / f"{identity}.wav"
    digest = await asyncio.to_thread(keep, content, path)
    await pools[0].execute(ROW, identity, str(path), digest, len(content), "Work")
    return {"id": str(identity), "filename": path.name}


def keep(content: memoryview, path: Path) -> bytes:
    """Makes bytes durable under a name, and returns their SHA-256."""
    unfinished = f"{path}.new"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(descriptor, content)
    os.fsync(descriptor)
    os.close(descriptor)
    Path(unfinished).rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    return hashlib.sha256(content).digest()


async def send_json(send: Any, status: int, answer: dict[str, str]) -> None:
    """Answers."""
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
