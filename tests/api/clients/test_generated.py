"""A client that a generator makes of /openapi.json: it uploads, finds, reads back and is refused."""

import asyncio
import importlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.application import create_app
from core.settings import Settings
from tests.api.conftest import Look, MakeToken
from tests.audio.samples import recording
from tests.docs.blocks import blocks

GENERATOR = Path(__file__).parents[3] / ".venv-generator" / "bin" / "openapi-python-client"
CODE = {
    language: next(block.text for block in blocks(language) if block.page == "docs/api.md")
    for language in ("yaml", "python")
}
pytestmark = pytest.mark.xdist_group("generated client")  # one worker makes it
MEMO = recording("m4a")
Part = Callable[[str], Any]


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """A function that imports a module of the client; it is made as docs/api.md says."""
    assert GENERATOR.exists(), "The generator needs an environment for itself: make .venv-generator/generator.stamp"
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(create_app(Settings()).openapi()))
    (folder / "generator.yaml").write_text(f"{CODE['yaml']}post_hooks: []\n")
    command = [str(GENERATOR), "generate", "--path", "openapi.json", "--config", "generator.yaml", "--meta", "none"]
    ran = subprocess.run(
        [*command, "--output-path", "pegasus_client"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "WARNING" not in ran.stdout, ran.stdout
    sys.path.insert(0, str(folder))
    yield lambda name: importlib.import_module(f"pegasus_client{name}")
    sys.path.remove(str(folder))


@pytest.fixture(params=["without a token", "with a token"])
async def client(
    request: pytest.FixtureRequest, generated: Part, server: str, make_token: MakeToken
) -> AsyncIterator[Any]:
    """The client of an open server, and the one that sends a token."""
    if request.param == "without a token":
        client = generated("").Client(server)
    else:
        _, token = await make_token("ada")
        client = generated("").AuthenticatedClient(server, token=token)
    yield client
    await asyncio.to_thread(client.get_httpx_client().close)


async def call(generated: Part, name: str, client: Any, **arguments: Any) -> Any:
    """What a call returns, in a thread: the server runs on this loop."""
    return await asyncio.to_thread(lambda: generated(f".api.{name}").sync_detailed(client=client, **arguments))


async def test_it_uploads_and_reads_back(client: Any, generated: Part, kept: Look) -> None:
    """An upload's file and labels arrive as they were given, and come back; so does the list."""
    models, types = generated(".models"), generated(".types")
    form = models.UploadFilesBody(types.File(io.BytesIO(MEMO), "Grüße, مذكرة.m4a", "audio/mp4"), tag="Work")
    uploaded = await call(generated, "audio.upload", client, body=form)
    assert (uploaded.status_code, uploaded.parsed.tag) == (200, "Work")
    [row] = (await kept()).rows
    assert (row["original_filename"], row["file_size_bytes"]) == ("Grüße, مذكرة.m4a", len(MEMO))
    downloaded = await call(generated, "audio.download", client, recording_id=uploaded.parsed.id)
    assert downloaded.parsed.payload.read() == MEMO
    page = await call(generated, "audio.list_recordings", client, tag="Work")
    assert [item.id for item in page.parsed.items] == [uploaded.parsed.id]


async def test_the_documented_code_uploads(generated: Part, server: str, kept: Look, tmp_path: Path) -> None:
    """The lines of Python in docs/api.md make a recording of a file."""
    (tmp_path / "memo.m4a").write_bytes(MEMO)
    opened = list[Any]()

    def open_client(url: str) -> Any:
        opened.append(generated("").Client(url.replace("http://127.0.0.1:8000", server)))
        return opened[0]

    names = vars(generated(".models")) | vars(generated(".types")) | {"Client": open_client}
    code = CODE["python"].replace('open("memo.m4a"', f'open("{tmp_path}/memo.m4a"')
    await asyncio.to_thread(exec, code, names | {"upload": generated(".api.audio.upload")})
    await asyncio.to_thread(opened[0].get_httpx_client().close)
    assert [row["tag"] for row in (await kept()).rows] == ["Work"]


async def test_it_uploads_by_tus(client: Any, generated: Part, kept: Look) -> None:
    """Both requests of a resumable upload are calls: the one that begins it, and the one that goes on."""
    tus = {"tus_resumable": "1.0.0", "upload_length": len(MEMO)}
    octets = generated(".types").File(io.BytesIO(MEMO), mime_type="application/offset+octet-stream")
    begun = await call(generated, "uploads.create_upload", client, body=generated(".types").UNSET, **tus)
    assert begun.status_code == httpx.codes.CREATED
    upload_id = begun.headers["location"].rpartition("/")[2]
    more = {"upload_id": upload_id, "upload_offset": 0, "tus_resumable": "1.0.0"}
    done = await call(generated, "uploads.append_to_upload", client, body=octets, **more)
    assert done.status_code == httpx.codes.NO_CONTENT
    assert [row["file_size_bytes"] for row in (await kept()).rows] == [len(MEMO)]


async def test_it_changes_and_takes_along_many(client: Any, generated: Part) -> None:
    """Many recordings are labelled by one call, told of when their bytes come again, and downloaded as one archive."""
    models, types = generated(".models"), generated(".types")
    form = models.UploadFilesBody(types.File(io.BytesIO(MEMO), "memo.m4a", "audio/mp4"))
    first = (await call(generated, "audio.upload", client, body=form)).parsed
    form = models.UploadFilesBody(types.File(io.BytesIO(MEMO), "memo.m4a", "audio/mp4"))
    second = (await call(generated, "audio.upload", client, body=form)).parsed
    assert second.duplicate_of.id == first.id
    ids = [first.id, second.id]
    change = models.BulkChange(models.BulkChangeAction.CHANGE, ids=ids, changes=models.NewLabels(tag="Work"))
    changed = await call(generated, "audio.change_recordings", client, body=change)
    assert changed.parsed.changed == ids
    archive = await call(generated, "audio.download_archive", client, tag="Work")
    with zipfile.ZipFile(archive.parsed.payload) as opened:
        assert opened.read("memo (2).m4a") == MEMO


async def test_it_reads_why_it_is_refused(client: Any, generated: Part) -> None:
    """A refusal is one model, whatever was called."""
    models, types = generated(".models"), generated(".types")
    form = models.UploadFilesBody(types.File(io.BytesIO(b"no sound"), "notes.txt", "text/plain"))
    refused = await call(generated, "audio.upload", client, body=form)
    assert isinstance(refused.parsed, models.Problem)
    assert refused.parsed.type_ == "urn:pegasus:problem:not-audio"


def test_every_call_is_described() -> None:
    """Each call has an id of its own and a description, each parameter a meaning and an example."""
    ids = list[str]()
    for operations in create_app(Settings()).openapi()["paths"].values():
        for operation in operations.values():
            ids.append(operation["operationId"])
            assert operation["description"]
            for parameter in operation.get("parameters", []):
                assert parameter["description"], parameter
                has_example = "example" in parameter or "examples" in parameter["schema"]
                assert has_example != (parameter["name"] == "idempotency-key"), parameter
    assert len(set(ids)) == len(ids)
    assert all(one.isidentifier() and "_api_" not in one for one in ids)
