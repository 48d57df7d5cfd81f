"""The transcript's document lies beside the bytes and comes back as it was."""

import json
from pathlib import Path

import pytest

from audio.transcription.contract import Segment, Transcript, Word
from audio.transcription.document import TranscriptDocument, document_name, read_document, write_document
from storage.contract import BytesMissing
from storage.local.storage import LocalStorage

HEARD = Transcript("Grüße, Welt.", "de", (Word("Grüße,", 0.0, 0.5), Word("Welt.", 0.6, 1.0)), (Segment("x", 0, 1),))
NAME = "2026/11/24/audio_1.webm"


@pytest.fixture
async def storage(tmp_path: Path) -> LocalStorage:
    """A folder."""
    storage = LocalStorage(tmp_path)
    await storage.prepare()
    return storage


async def test_it_comes_back(storage: LocalStorage, tmp_path: Path) -> None:
    """Text, language, words and segments come back; the file is plain JSON that says its version and engine."""
    await write_document(storage, NAME, TranscriptDocument.of(HEARD, engine="whisper"))
    document = await read_document(storage, NAME)
    assert (document.transcript(), document.engine) == (HEARD, "whisper")
    written = json.loads((tmp_path / f"{NAME}.transcript.json").read_text())
    assert (written["version"], written["engine"], written["language"]) == (1, "whisper", "de")
    assert written["words"][0] == {"text": "Grüße,", "start_seconds": 0.0, "end_seconds": 0.5}


async def test_there_is_none(storage: LocalStorage) -> None:
    """A recording without a transcript has no document."""
    with pytest.raises(BytesMissing):
        await read_document(storage, NAME)


async def test_what_a_later_version_adds_stays(storage: LocalStorage) -> None:
    """Fields that this version doesn't know survive; another version isn't taken for this one."""
    content = json.loads(TranscriptDocument.of(HEARD, engine="whisper").model_dump_json()) | {"chapters": ["a"]}
    await storage.replace(document_name(NAME), json.dumps(content).encode())
    assert json.loads((await read_document(storage, NAME)).model_dump_json())["chapters"] == ["a"]
    await storage.replace(document_name(NAME), json.dumps(content | {"version": 2}).encode())
    with pytest.raises(ValueError, match="version"):
        await read_document(storage, NAME)
