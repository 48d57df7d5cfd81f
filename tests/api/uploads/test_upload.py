"""What an upload leaves behind: all of it, or nothing."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from api.protocols.multipart import LIMITS
from core.settings import Settings
from tests.api.conftest import Look, Upload, problem
from tests.audio.samples import SAMPLES, Sample, recording
from tests.stored import Stored

URL = "/api/audio/upload"
BOUNDARY = "----boundary"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(name: str, content: bytes | str, *, file_name: str | None = None, headers: str = "") -> bytes:
    """One part of a form, as it stands in a body."""
    file = f'; filename="{file_name}"' if file_name is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{headers}\r\n'
    return head.encode() + (content if isinstance(content, bytes) else content.encode()) + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole body."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


WAV = recording("wav")
FILE = part("file", WAV, file_name="memo.wav")


@pytest.fixture
def client(far_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Everything here holds over a real socket, whichever way the bytes take."""
    return far_client


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_every_format_is_taken_in(
    client: httpx.AsyncClient, kept: Look, settings: Settings, sample: Sample
) -> None:
    """A recording in any format is kept byte by byte, with its row and its manifest, when the answer is 200."""
    content = recording(sample.name)
    answer = await client.post(
        URL, files={"file": (f"memo.{sample.extension}", content)}, data={"tag": "Work", "category": "Meeting"}
    )
    assert answer.status_code == 200
    body = answer.json()
    [row] = (await kept()).rows
    assert Stored(settings).read(row["file_path"]) == content
    assert (await kept()).files == {row["file_path"], row["file_path"] + ".json"}
    assert (row["mime_type"], row["file_size_bytes"]) == (sample.mime_type, len(content))
    assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d/audio_\d{{8}}_\d{{6}}_\w+\.{sample.extension}", row["file_path"])
    assert UUID(body["id"]) == row["id"]


async def test_the_answer_has_every_field(upload: Upload, kept: Look) -> None:
    """The answer shows every column but the place in storage, with times in UTC, and the message."""
    body = await upload(file_name="Mémo.wav", tag="Work", category="Meeting", user_id="ada")
    [row] = (await kept()).rows
    assert set(body) == set(row) - {"file_path"} | {"damaged", "message", "title", "duplicate_of"}
    assert body["message"] == "File uploaded successfully"
    told = {"tag": "Work", "category": "Meeting", "user_id": "ada", "original_filename": "Mémo.wav"}
    assert told.items() <= body.items()
    assert told.items() <= row.items()
    assert body["processing_status"] == row["processing_status"] == "uploaded"
    assert body["upload_timestamp"].endswith("Z")
    assert datetime.fromisoformat(body["upload_timestamp"]) == row["upload_timestamp"].replace(tzinfo=UTC)


async def test_the_manifest_tells_what_the_row_tells(upload: Upload, kept: Look, settings: Settings) -> None:
    """From the storage alone it can be proved what was uploaded, and the row written anew."""
    body = await upload("flac", file_name="memo.flac", tag="Work", user_id="ada")
    [row] = (await kept()).rows
    manifest = json.loads(Stored(settings).read(row["file_path"] + ".json"))
    assert manifest == {
        "version": 1,
        "id": body["id"],
        "user_id": "ada",
        "filename": body["filename"],
        "original_filename": "memo.flac",
        "title": None,
        "tag": "Work",
        "category": None,
        "uploaded_at": body["upload_timestamp"],
        "size_bytes": len(recording("flac")),
        "sha256": hashlib.sha256(recording("flac")).hexdigest(),
        "mime_type": "audio/flac",
        "found": None,
        "processing_status": "uploaded",
        "error_message": None,
        "transcription_engine": None,
        "transcription_started_at": None,
        "transcription_completed_at": None,
        "improvement_completed_at": None,
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
    }


@pytest.mark.parametrize(
    "body",
    [
        form(part("tag", "Work"), part("category", "Meeting"), FILE),
        form(FILE, part("tag", "Work"), part("category", "Meeting")),
        form(part("tag", "Work"), part("mood", "ignored"), FILE, part("category", "Meeting")),
        form(part("tag", "Work"), part("category", "Meeting"), part("file", WAV)),
        form(*(part(f"field{at}", "x") for at in range(30)), FILE, part("tag", "Work"), part("category", "Meeting")),
        form(part("tag", "Work"), part("category", "Meeting"), FILE, part("x", "x" * LIMITS.field_bytes)),
        form(part("tag", "Work"), part("category", "Meeting", headers="X-H: 1\r\n" * 7), FILE),
        b"\r\n" + form(part("tag", "Work"), part("category", "Meeting"), FILE) + b"\r\nan epilogue",
    ],
    ids=["before", "after", "around", "no file name", "32 fields", "16 KiB", "8 headers", "epilogue"],
)
async def test_fields_come_in_any_order(client: httpx.AsyncClient, kept: Look, body: bytes) -> None:
    """Before the file or behind it, up to the limits, fields count; unknown ones are ignored."""
    answer = await client.post(URL, content=body, headers=FORM)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["tag"], answer.json()["category"]) == ("Work", "Meeting")
    assert answer.json()["file_size_bytes"] == len(WAV)


BAD: dict[str, tuple[bytes, int, str, dict[str, object]]] = {
    "no file": (form(part("tag", "Work")), 422, "file-missing", {}),
    "an empty form": (form(), 422, "file-missing", {}),
    "an empty file": (form(part("file", b"", file_name="memo.wav")), 422, "upload-empty", {}),
    "no file chosen": (form(part("file", b"", file_name="")), 422, "file-missing", {}),
    "text named mp3": (form(part("file", "not audio " * 999, file_name="memo.mp3")), 415, "not-audio", {}),
    "html named wav": (form(part("file", "<html><script>", file_name="memo.wav")), 415, "not-audio", {}),
    "a long tag": (form(part("tag", "a" * 101), FILE), 422, "label-too-long", {"limit": 100, "received": 101}),
    "a long tag behind": (form(FILE, part("tag", "a" * 101)), 422, "label-too-long", {"field": "tag"}),
    "a control character": (form(FILE, part("tag", "a\x07")), 422, "label-unprintable", {"field": "tag"}),
    "a null": (form(part("category", "a\x00"), FILE), 422, "label-unprintable", {"field": "category"}),
    "a long file name": (form(part("file", WAV, file_name="a" * 256)), 422, "label-too-long", {"limit": 255}),
    "too many bytes": (
        form(part("file", WAV + bytes(1024 * 1024), file_name="memo.wav")),
        413, "upload-too-large", {"limit": 1024 * 1024},
    ),
    "two files": (form(FILE, FILE), 400, "form-limit-passed", {"limit": 1}),
    "another file": (form(FILE, part("other", WAV, file_name="x.wav")), 400, "form-malformed", {}),
    "33 fields": (form(*(part(f"f{at}", "x") for at in range(33)), FILE), 400, "form-limit-passed", {"limit": 32}),
    "33 fields around": (
        form(FILE, *(part(f"f{at}", "x") for at in range(33))),
        400, "form-limit-passed", {"limit": 32},
    ),
    "a large field": (
        form(FILE, part("x", "x" * (LIMITS.field_bytes + 1))),
        400, "form-limit-passed", {"limit": 16384},
    ),
    "9 headers": (form(part("tag", "x", headers="X-H: 1\r\n" * 8), FILE), 400, "form-limit-passed", {"limit": 8}),
    "a long header": (form(part("tag", "x", headers=f"X-H: {'x' * 9000}\r\n"), FILE), 400, "form-malformed", {}),
    "a field that isn't UTF-8": (form(part("tag", b"\xff\xfe"), FILE), 400, "form-malformed", {}),
    "no end": (FILE, 400, "form-malformed", {}),
    "an end in the file": (FILE[:-1000], 400, "form-malformed", {}),
    "an end in a header": (form(FILE)[:60], 400, "form-malformed", {}),
    "no boundary at all": (WAV, 400, "form-malformed", {}),
    "an empty body": (b"", 400, "form-malformed", {}),
    "a part without a name": (
        FILE + f"--{BOUNDARY}\r\nX: y\r\n\r\nz\r\n--{BOUNDARY}--\r\n".encode(),
        400, "form-malformed", {},
    ),
    "an endless epilogue": (form(FILE) + b"x" * 3 * 1024 * 1024, 413, "upload-too-large", {}),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_upload_leaves_nothing(client: httpx.AsyncClient, kept: Look, case: str) -> None:
    """A refused upload is told why, with the limit it passed, and leaves no row and no file."""
    body, status, slug, fields = BAD[case]
    told = problem(await client.post(URL, content=body, headers=FORM), status=status, slug=slug)
    assert fields.items() <= told.items()
    assert await kept() == type(await kept())([], set())


@pytest.mark.parametrize(
    ("content_type", "status", "slug"),
    [
        ("application/octet-stream", 415, "not-a-form"),
        ("application/json", 415, "not-a-form"),
        ("", 415, "not-a-form"),
        ("multipart/form-data", 400, "form-malformed"),
        ("multipart/form-data; boundary=", 400, "form-malformed"),
        (f"multipart/form-data; boundary={'b' * 300}", 400, "form-malformed"),
    ],
)
async def test_only_forms_are_taken(
    client: httpx.AsyncClient, kept: Look, content_type: str, status: int, slug: str
) -> None:
    """A body that doesn't say that it is a form isn't read as one."""
    answer = await client.post(URL, content=form(FILE), headers={"Content-Type": content_type})
    problem(answer, status=status, slug=slug)
    assert (await kept()).files == set()


async def test_declared_types_do_not_count(client: httpx.AsyncClient) -> None:
    """The bytes decide: an octet-stream, or a lie, is taken for what it is."""
    for declared in ("application/octet-stream", "text/html", "audio/mpeg"):
        answer = await client.post(URL, files={"file": ("memo.mp3", recording("ogg opus"), declared)})
        assert answer.json()["mime_type"] == "audio/ogg"


async def test_the_limit_itself_is_taken(client: httpx.AsyncClient, settings: Settings) -> None:
    """A file of exactly the limit comes in; one byte more doesn't."""
    limit = settings.max_file_size_bytes
    for length, status in ((limit, 200), (limit + 1, 413)):
        content = WAV + bytes(length - len(WAV))
        assert (await client.post(URL, files={"file": ("memo.wav", content)})).status_code == status


async def test_a_form_is_completed_by_the_query(client: httpx.AsyncClient, kept: Look) -> None:
    """A label in the query of a form isn't lost; where the form has it, too, the form is right."""
    query = {"tag": "Work", "category": "Meeting", "user_id": "ada", "filename": "other.wav"}
    answer = await client.post(URL, params=query, files={"file": ("memo.wav", WAV)}, data={"tag": "Home"})
    assert answer.status_code == 200
    [row] = (await kept()).rows
    assert [row[name] for name in ("tag", "category", "user_id", "original_filename")] == [
        "Home", "Meeting", "ada", "memo.wav",
    ]  # fmt: skip
    problem(
        await client.post(f"{URL}?tag={'x' * 101}", files={"file": ("memo.wav", WAV)}),
        status=422,
        slug="label-too-long",
    )


async def test_two_of_one_name_are_two(upload: Upload, kept: Look) -> None:
    """Two files of the same name in the same second are two recordings."""
    first, second = await upload(), await upload()
    assert first["id"] != second["id"]
    assert len((await kept()).files) == 4


@pytest.mark.folder
async def test_a_storage_that_is_gone_takes_nothing(client: httpx.AsyncClient, kept: Look, settings: Settings) -> None:
    """Without its storage the server says that it can't right now, and enters nothing."""
    settings.storage_root.rename(settings.storage_root.with_name("gone"))
    answer = await client.post(URL, files={"file": ("memo.wav", WAV)})
    problem(answer, status=503, slug="storage-unavailable")
    assert answer.headers["retry-after"]
    assert (await kept()).rows == []
    assert not Path(settings.storage_root).exists()
