"""From uploaded to completed: what is found out about a recording, and where it can be asked for."""

import asyncio
import io
import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from core.settings import Settings
from tests.api.conftest import Look, Upload, problem
from tests.api.processing import ended, jobs, log_walks, no_jobs, walks, working
from tests.audio.processing.damage import silent_hours
from tests.audio.samples import SAMPLES, recording
from tests.audio.transcription.service import OPENAI_ANSWER, OPENAI_CALL, SAID, Asked, Speaker, replying, speaking
from tests.conftest import RunSql
from tests.stored import Stored

BETTER = SAID.replace("report before", "report, before")


async def test_every_kind_of_recording_is_completed(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, run_sql: RunSql, kept: Look
) -> None:
    """Without an engine a recording of each kind is completed at once, with its length, its type and its waveform."""
    await log_walks(run_sql)
    uploaded = [await upload(sample.name) for sample in SAMPLES]
    async with working(settings):
        for sample, found in zip(SAMPLES, await ended(client, *uploaded), strict=True):
            assert (found["processing_status"], found["error_message"]) == ("completed", None), sample.name
            assert found["duration_seconds"] == pytest.approx(1, abs=0.1), sample.name
            assert found["mime_type"] == sample.mime_type
            drawn = (await client.get(f"/api/audio/{found['id']}/waveform")).json()
            assert (drawn["version"], drawn["bits"], len(drawn["data"])) == (2, 16, 2 * drawn["length"])
            assert 5000 < max(drawn["data"]) < 10000, sample.name
        await no_jobs(run_sql)
    assert await walks(run_sql) == {one["id"]: ["completed"] for one in uploaded}
    files = (await kept()).files
    for found in uploaded:
        name = next(file for file in files if file.endswith(found["filename"]))
        manifest = json.loads(Stored(settings).read(f"{name}.json"))
        assert {"codec", "sample_rate_hz", "channels", "bit_rate", "silent"} <= manifest["found"].keys()


async def test_a_variant_plays_where_the_original_does_not(
    client: httpx.AsyncClient, settings: Settings, upload: Upload
) -> None:
    """`variant=playback` is the original where browsers play it, and else something that they do."""
    plays, live, phone = await upload("wav"), await upload("webm live"), await upload("amr", file_name="call.amr")
    answer = await client.get(f"/api/audio/{plays['id']}/download?variant=playback")
    assert "isn't ready yet" in problem(answer, status=404, slug="playback-not-ready")["detail"]
    async with working(settings):
        await ended(client, plays, live, phone)
    answers = [await client.get(f"/api/audio/{one['id']}/download?variant=playback") for one in (plays, live, phone)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].content == recording("wav")
    assert answers[1].headers["content-type"] == "audio/webm"
    assert answers[1].content != recording("webm live")
    assert answers[2].content[4:8] == b"ftyp"
    assert b"fLaC" in answers[2].content
    assert answers[2].headers["content-disposition"] == 'attachment; filename="call.mp4"'
    assert (await client.get(f"/api/audio/{phone['id']}/download")).content == recording("amr")
    part = await client.get(f"/api/audio/{phone['id']}/download?variant=playback", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, answers[2].content[:4])
    assert part.headers["etag"] != (await client.head(f"/api/audio/{phone['id']}/download")).headers["etag"]


@pytest.fixture
async def service(settings: Settings) -> Any:
    """A service that hears one sentence and mends it."""
    async with speaking() as speaker:
        yield speaker


def engined(settings: Settings, service: Speaker, *, improving: bool = False) -> Settings:
    return settings.model_copy(
        update={
            "transcription_engine": "openai",
            "openai_base_url": f"{service.address}/v1",
            "ollama_base_url": service.address,
            "ollama_model": "llama" if improving else None,
        }
    )


async def mending(asked: Asked) -> Response:
    if asked.body is None:
        return JSONResponse(OPENAI_ANSWER)
    return JSONResponse({"choices": [{"message": {"content": BETTER}, "finish_reason": "stop"}]})


async def test_speech_is_transcribed_and_improved(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, service: Speaker, run_sql: RunSql
) -> None:
    """With an engine and a model a recording goes through every state once, and each service is asked once."""
    service.answer = mending
    await log_walks(run_sql)
    uploaded = await upload("ogg opus", file_name="memo.ogg")
    about = f"/api/audio/{uploaded['id']}/transcript"
    problem(await client.get(f"{about}?format=srt"), status=404, slug="transcript-not-ready")
    async with working(engined(settings, service, improving=True)):
        [found] = await ended(client, uploaded)
        await no_jobs(run_sql)
    assert await walks(run_sql) == {uploaded["id"]: ["transcribing", "improving", "completed"]}
    assert (found["original_transcript"], found["improved_transcript"]) == (SAID, BETTER)
    assert found["transcription_engine"] == "openai"
    times = [found[f"{what}_at"] for what in ("transcription_started", "transcription_completed")]
    assert sorted([*times, found["improvement_completed_at"]]) == [*times, found["improvement_completed_at"]]
    assert len(service.asked) == 2
    assert (await client.get(f"{about}?format=txt")).text == f"{BETTER}\n"
    assert (await client.get(f"{about}?format=txt&improved=false")).text == f"{SAID}\n"
    assert (await client.get(f"{about}?format=srt")).text.startswith("1\n00:00:00,000 --> ")
    assert (await client.get(f"{about}?format=vtt")).text.startswith("WEBVTT\n")
    assert [word["text"] for word in (await client.get(f"{about}?format=json")).json()["words"]][:2] == [
        "Please",
        "send",
    ]
    assert (await client.get(about)).json()["is_improved"]


async def test_speakers_are_told_and_named(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, service: Speaker
) -> None:
    """Who said what is in the transcript, by number until people name them; only those who speak can be named."""
    service.answer = replying(200, json.dumps(OPENAI_CALL))
    uploaded = await upload("ogg opus", file_name="call.ogg")
    about = f"/api/audio/{uploaded['id']}/transcript"
    problem(await client.put(f"{about}/speakers", json={"speakers": {}}), status=404, slug="transcript-not-ready")
    async with working(engined(settings, service).model_copy(update={"transcription_speakers": True})):
        await ended(client, uploaded)
    assert (
        await client.get(f"{about}?format=txt")
    ).text == "Speaker A: Did you get it?\n\nSpeaker B: I did.\n\nGood.\n"
    named = await client.put(f"{about}/speakers", json={"speakers": {"A": " Ada ", "B": ""}})
    assert (named.status_code, named.json()) == (200, {"speakers": {"A": "Ada"}})
    assert "<v Ada>Did you get it?" in (await client.get(f"{about}?format=vtt")).text
    assert "<v Speaker B>I did." in (await client.get(f"{about}?format=vtt")).text
    document = (await client.get(f"{about}?format=json")).json()
    assert ([segment["speaker"] for segment in document["segments"]], document["speakers"]) == (
        ["A", "B", None],
        {"A": "Ada"},
    )
    refused = await client.put(f"{about}/speakers", json={"speakers": {"C": "Carl"}})
    assert problem(refused, status=422, slug="speaker-unknown")["speaker"] == "C"
    long = await client.put(f"{about}/speakers", json={"speakers": {"A": "x" * 101}})
    problem(long, status=422, slug="label-too-long")


async def test_a_transcript_is_edited_beside_what_was_heard(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, service: Speaker
) -> None:
    """A better wording is shown, found and kept with the document, the heard words stay, and it can be taken away."""
    service.answer = replying(200, json.dumps(OPENAI_ANSWER))
    uploaded = await upload("ogg opus", file_name="memo.ogg")
    about = f"/api/audio/{uploaded['id']}/transcript"
    problem(await client.put(about, json={"text": "Too early."}), status=404, slug="transcript-not-ready")
    async with working(engined(settings, service)):
        await ended(client, uploaded)
    edited = await client.put(about, json={"text": " Send it by Thursday.\u0000 "})
    assert (edited.json()["transcript"], edited.json()["is_improved"]) == ("Send it by Thursday.", True)
    assert (await client.get(f"{about}?improved=false")).json()["transcript"] == SAID
    assert (await client.get(f"{about}?format=txt")).text == "Send it by Thursday.\n"
    assert (await client.get(f"{about}?format=srt")).text.count("report") == 1
    assert (await client.get("/api/audio", params={"q": "Thursday"})).json()["total"] == 1
    taken_away = await client.put(about, json={"text": None})
    assert (taken_away.json()["transcript"], taken_away.json()["is_improved"]) == (SAID, False)
    assert (await client.put(about, json={})).status_code == 422


async def test_a_broken_model_spoils_no_transcript(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, service: Speaker
) -> None:
    """When improving fails, the recording is completed with the words that were heard."""

    async def broken(asked: Asked) -> Response:
        return JSONResponse(OPENAI_ANSWER) if asked.body is None else JSONResponse({}, 400)

    service.answer = broken
    uploaded = await upload()
    async with working(engined(settings, service, improving=True)):
        [found] = await ended(client, uploaded)
    assert (found["processing_status"], found["original_transcript"]) == ("completed", SAID)
    assert (found["improved_transcript"], found["improvement_completed_at"]) == (None, None)


async def test_a_busy_engine_is_asked_again(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, service: Speaker, run_sql: RunSql
) -> None:
    """An engine that is busy or broken is tried again later, while others' recordings go on."""
    answers = [replying(429, "{}"), replying(503, "{}"), replying(200, json.dumps(OPENAI_ANSWER))]

    async def by_turns(asked: Asked) -> Response:
        return await answers[min(len(service.asked) - 1, 2)](asked)

    service.answer = by_turns
    await log_walks(run_sql)
    uploaded = await upload()
    async with working(engined(settings, service)):
        [found] = await ended(client, uploaded)
    assert (found["processing_status"], found["original_transcript"]) == ("completed", SAID)
    assert await walks(run_sql) == {uploaded["id"]: ["transcribing", "completed"]}
    assert len(service.asked) == 3


async def test_a_slow_engine_holds_up_no_waveform(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, service: Speaker, run_sql: RunSql
) -> None:
    """However busy the engine is, each recording is probed and drawn meanwhile; then all are heard, and none twice."""
    answering = asyncio.Event()

    async def slowly(_asked: Asked) -> Response:
        await answering.wait()
        return JSONResponse(OPENAI_ANSWER)

    service.answer = slowly
    await log_walks(run_sql)
    uploaded = [await upload(kind) for kind in ("wav", "webm live", "amr") * 8]
    async with working(engined(settings, service)):
        for one in uploaded:
            about = f"/api/audio/{one['id']}"
            while (await client.get(f"{about}/waveform")).status_code != 200:
                await asyncio.sleep(0.03)
            while (await client.get(about)).json()["duration_seconds"] is None:
                await asyncio.sleep(0.03)
        assert not await run_sql("SELECT FROM audio_files WHERE processing_status = 'completed'")
        answering.set()
        assert {one["original_transcript"] for one in await ended(client, *uploaded)} == {SAID}
        await no_jobs(run_sql)
    assert await walks(run_sql) == {one["id"]: ["transcribing", "completed"] for one in uploaded}
    assert len(service.asked) == len(uploaded)


async def test_what_failed_can_be_tried_again(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, service: Speaker, run_sql: RunSql
) -> None:
    """A refused recording ends as failed with a reason, keeps its file, and is completed once it is tried again."""
    service.answer = replying(400, '{"error": {"code": "audio_too_short"}}')
    uploaded = await upload()
    retry = f"/api/audio/{uploaded['id']}/retry"
    assert "is being processed" in problem(await client.post(retry), status=409, slug="retry-refused")["detail"]
    async with working(engined(settings, service)):
        [found] = await ended(client, uploaded)
        assert found["processing_status"] == "failed"
        assert "engine refuses the recording" in found["error_message"]
        assert (await client.get(f"/api/audio/{uploaded['id']}/download")).content == recording("wav")
        await no_jobs(run_sql)
        service.answer = None
        answer = await client.post(retry)
        assert (answer.status_code, answer.json()["processing_status"]) == (202, "uploaded")
        [found] = await ended(client, uploaded)
        assert (found["processing_status"], found["error_message"]) == ("completed", None)
        assert found["original_transcript"] == SAID
        await no_jobs(run_sql)
    assert "is completed" in problem(await client.post(retry), status=409, slug="retry-refused")["detail"]
    problem(await client.post(f"/api/audio/{uuid4()}/retry"), status=404, slug="recording-missing")


def slow_wave(hertz: int, *, seconds: float) -> bytes:
    """A WAV of silence that has few samples, and by them claims any length."""
    with io.BytesIO() as file:
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(1)
            writer.setframerate(hertz)
            writer.writeframes(b"\x80" * int(hertz * seconds))
        return file.getvalue()


IMPOSSIBLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a sample a second": (lambda: slow_wave(1, seconds=83 * 3600), "it has 1 samples a second, and speech takes 4,000"),
    "no telephone's rate": (
        lambda: slow_wave(3999, seconds=1),
        "it has 3,999 samples a second, and speech takes 4,000",
    ),
    "more than a day": (lambda: silent_hours(26, hertz=4000), "it sounds for 26 hours, and 25 can be heard"),
}


@pytest.mark.parametrize(("content", "reason"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_what_cannot_be_speech_is_not_heard(
    client: httpx.AsyncClient, settings: Settings, service: Speaker, content: Callable[[], bytes], reason: str
) -> None:
    """A few bytes that claim days of sound hold no engine up: they are refused, with a waveform and a length."""
    uploaded = (await client.post("/api/audio/upload", files={"file": ("memo", content())})).raise_for_status().json()
    async with working(engined(settings, service)):
        [found] = await ended(client, uploaded)
    assert found["processing_status"] == "failed"
    assert found["error_message"] == f"The openai engine refuses the recording: {reason}."
    assert found["duration_seconds"] is not None
    assert (await client.get(f"/api/audio/{found['id']}/waveform")).status_code == 200
    assert not service.asked


async def test_a_row_tells_what_a_killed_worker_had_found(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, run_sql: RunSql
) -> None:
    """Where a worker was killed after it had kept what it found and before the row told of it, the next one tells."""
    uploaded = await upload()
    async with working(settings):
        [before] = await ended(client, uploaded)
        await no_jobs(run_sql)
        await run_sql(
            "UPDATE audio_files SET duration_seconds = NULL, mime_type = $1, processing_status = 'failed'",
            uploaded["mime_type"],
        )
        assert (await client.post(f"/api/audio/{uploaded['id']}/retry")).status_code == 202
        [found] = await ended(client, uploaded)
    told = ("duration_seconds", "mime_type", "processing_status")
    assert [found[name] for name in told] == [before[name] for name in told]
    assert found["duration_seconds"] == pytest.approx(1, abs=0.1)


async def test_a_damaged_recording_fails_with_a_reason(
    client: httpx.AsyncClient, settings: Settings, run_sql: RunSql
) -> None:
    """What begins like audio and isn't ends as failed, with a sentence for its user, and stops nobody."""
    content = recording("m4a")[:600] + bytes(3000)
    answer = await client.post("/api/audio/upload", files={"file": ("memo.m4a", content)})
    async with working(settings):
        [found] = await ended(client, answer.json())
        await no_jobs(run_sql)
    assert found["processing_status"] == "failed"
    assert found["error_message"].startswith("The recording can't be decoded: ")
    told = await client.get(f"/api/audio/{found['id']}/waveform")
    assert "was never made" in problem(told, status=404, slug="waveform-not-ready")["detail"]
    assert (await client.get(f"/api/audio/{found['id']}/download?variant=playback")).content == content


async def test_what_is_lost_of_a_recording_is_told(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, kept: Look
) -> None:
    """A recording that was cut off is completed, and answers and manifest say how much of it could be read."""
    whole = recording("wav", seconds=5.0)
    files = {"file": ("memo.wav", whole[: len(whole) * 2 // 5])}
    cut = (await client.post("/api/audio/upload", files=files)).json()
    intact = await upload()
    assert cut["damaged"] is None
    async with working(settings):
        found, other = await ended(client, cut, intact)
    assert (found["processing_status"], found["damaged"]) == ("completed", {"readable_share": 0.4})
    assert found["error_message"].startswith("Only 40.0% of this recording could be read")
    assert (other["processing_status"], other["damaged"], other["error_message"]) == ("completed", None, None)
    listed = (await client.get("/api/audio/")).json()["items"]
    assert {item["id"]: item["damaged"] for item in listed} == {cut["id"]: found["damaged"], intact["id"]: None}
    name = next(file for file in (await kept()).files if file.endswith(cut["filename"]))
    manifest = json.loads(Stored(settings).read(f"{name}.json"))
    assert manifest["found"]["damaged"]
    assert manifest["found"]["readable_share"] == pytest.approx(0.4, abs=0.01)
    assert manifest["error_message"] == found["error_message"]


async def test_damage_outlives_a_failure(
    client: httpx.AsyncClient, settings: Settings, service: Speaker, kept: Look, run_sql: RunSql
) -> None:
    """Where the engine refuses a recording that was cut off, answer and manifest give the reason and the damage."""
    service.answer = replying(400, '{"error": {"code": "audio_too_short"}}')
    whole = recording("wav", seconds=5.0)
    files = {"file": ("memo.wav", whole[: len(whole) * 2 // 5])}
    cut = (await client.post("/api/audio/upload", files=files)).raise_for_status().json()
    async with working(engined(settings, service)):
        [failed] = await ended(client, cut)
        assert (failed["processing_status"], failed["damaged"]) == ("failed", {"readable_share": 0.4})
        assert failed["error_message"].startswith("The openai engine refuses the recording: ")
        name = next(file for file in (await kept()).files if file.endswith(cut["filename"]))
        assert json.loads(Stored(settings).read(f"{name}.json"))["error_message"] == failed["error_message"]
        await no_jobs(run_sql)
        service.answer = None
        restarted = (await client.post(f"/api/audio/{cut['id']}/retry")).raise_for_status().json()
        [completed] = await ended(client, cut)
    for answer in (restarted, completed):
        assert answer["damaged"] == failed["damaged"]
        assert answer["error_message"].startswith("Only 40.0% of this recording could be read")
    assert completed["processing_status"] == "completed"


async def test_what_is_deleted_meanwhile_leaves_nothing(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, service: Speaker, run_sql: RunSql, kept: Look
) -> None:
    """A recording that is deleted before or while it is processed ends quietly, and nothing stays beside its bytes."""
    asked = asyncio.Event()
    deleted = asyncio.Event()

    async def slowly(_asked: Asked) -> Response:
        asked.set()
        await deleted.wait()
        return JSONResponse(OPENAI_ANSWER)

    service.answer = slowly
    before, meanwhile = await upload("amr"), await upload("amr")
    assert (await client.delete(f"/api/audio/{before['id']}")).status_code == 200
    async with working(engined(settings, service)):
        await asked.wait()
        assert (await client.delete(f"/api/audio/{meanwhile['id']}")).status_code == 200
        deleted.set()
        await no_jobs(run_sql)
    assert await kept() == type(await kept())([], set())


@pytest.mark.folder
async def test_recordings_from_before_are_left_alone(
    client: httpx.AsyncClient, settings: Settings, upload: Upload, run_sql: RunSql
) -> None:
    """A row from before there were manifests has no job, gets none by asking, and is played as it is."""
    old = uuid4()
    path = settings.storage_root / "2024" / "memo.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(recording("wav"))
    await run_sql(
        "INSERT INTO audio_files (id, filename, file_path, processing_status) VALUES ($1, 'memo.wav', $2, 'uploaded')",
        old,
        str(Path("2024") / "memo.wav"),
    )
    new = await upload()
    async with working(settings):
        await ended(client, new)
        refused = problem(await client.post(f"/api/audio/{old}/retry"), status=409, slug="retry-refused")
    assert "before Pegasus processed" in refused["detail"]
    assert (await client.get(f"/api/audio/{old}")).json()["processing_status"] == "uploaded"
    assert (await client.get(f"/api/audio/{old}/download?variant=playback")).content == recording("wav")
    assert not await jobs(run_sql)
