"""Resumable uploads across an upgrade: begun on one version, finished on the next one, or the other way round."""

import httpx

from tests.api.conftest import Serve
from tests.api.uploads.test_tus import BYTES, TUS, metadata
from tests.audio.samples import recording
from tests.conftest import RunSql

WAV = recording("wav")
HALF = len(WAV) // 2
NAMES = {"filename": "memo.wav", "filetype": "audio/wav", "tag": "Work", "category": "Meeting"}
OLDER = "(id, length_bytes, file_name, file_type, tag, category, expires_at)"


async def half(client: httpx.AsyncClient) -> str:
    """Begins an upload and sends a half of it."""
    begun = TUS | BYTES | {"Upload-Length": str(len(WAV)), "Upload-Metadata": metadata(**NAMES)}
    answer = await client.post("/api/uploads", content=WAV[:HALF], headers=begun)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


async def labels_in_the_end(client: httpx.AsyncClient, where: str) -> tuple[str, str]:
    """Sends the other half, and returns the labels of the recording that it becomes."""
    state = await client.head(where, headers=TUS)
    assert state.headers["upload-metadata"] == metadata(**NAMES)
    offset = int(state.headers["upload-offset"])
    answer = await client.patch(where, content=WAV[offset:], headers=TUS | BYTES | {"Upload-Offset": str(offset)})
    assert answer.status_code == 204, answer.text
    found = (await client.get(f"/api/audio/{answer.headers['upload-recording-id']}")).json()
    return found["tag"], found["category"]


async def test_half_an_upload_goes_on_after_the_upgrade(serve: Serve, run_sql: RunSql) -> None:
    """The version before had a column for each label: what it has begun keeps its labels."""
    async with serve() as client:
        where = await half(client)
    await run_sql("ALTER TABLE pegasus_system.uploads DROP COLUMN labels")
    await run_sql("UPDATE pegasus_system.system_version SET version_num = 's002'")
    async with serve(heals=True) as client:
        assert await labels_in_the_end(client, where) == ("Work", "Meeting")


async def test_an_older_server_beside_it_begins_uploads(serve: Serve, run_sql: RunSql) -> None:
    """What a server of the version before inserts, while the schema is newer already, keeps its labels as well."""
    async with serve() as client:
        where = await half(client)
        upload_id = where.rpartition("/")[2]
        [row] = await run_sql("DELETE FROM pegasus_system.uploads RETURNING *")
        values = "$1, $2, $3, $4, $5, $6, now() + interval '1 day'"
        old = [row[name] for name in ("length_bytes", "file_name", "file_type", "tag", "category")]
        await run_sql(f"INSERT INTO pegasus_system.uploads {OLDER} VALUES ({values})", row["id"], *old)
        assert str(row["id"]) == upload_id
        assert await labels_in_the_end(client, where) == ("Work", "Meeting")
