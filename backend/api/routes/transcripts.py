"""/api/audio/{id}/transcript: the transcript as text, subtitles or JSON."""

from collections.abc import Callable

from fastapi import APIRouter, Response

from api.guards.credentials import AuthenticatedCaller
from api.guards.query_parameters import KNOWN_PARAMETERS_ALONE
from api.parameters import Format, Improved, RecordingId, TranscriptFormat
from api.protocols.download import content_disposition
from api.schemas import PROBLEM_RESPONSES, SpeakerNames, Transcript, Wording
from api.services import CurrentServices
from audio.model.audio_file import AudioFile, ProcessingStatus
from audio.processing.results import transcript_of
from audio.transcription import subtitles
from audio.transcription.document import TranscriptDocument

FORMATS: dict[Format, tuple[str, Callable[[TranscriptDocument], str]]] = {
    "txt": ("text/plain; charset=utf-8", lambda document: subtitles.txt(document.transcript())),
    "srt": ("application/x-subrip; charset=utf-8", lambda document: subtitles.srt(document.transcript())),
    "vtt": ("text/vtt; charset=utf-8", lambda document: subtitles.vtt(document.transcript())),
    "json": ("application/json", lambda document: document.model_dump_json(exclude={"improved"})),
}

LONGEST_WORDING_BYTES = 4 * 1024 * 1024  # a day of speech has some three

router = APIRouter(
    prefix="/api/audio", tags=["audio"], dependencies=[KNOWN_PARAMETERS_ALONE], responses=PROBLEM_RESPONSES
)


@router.get("/{recording_id:uuid}/transcript", operation_id="get_transcript", response_model=Transcript)
async def transcript(
    recording_id: RecordingId,
    services: CurrentServices,
    caller: AuthenticatedCaller,
    *,
    improved: Improved = True,
    format: TranscriptFormat = None,  # noqa: A002 - the query parameter's name
) -> Transcript | Response:
    """Shows what was said, in the improved wording where there is one and it is wanted.

    In a `format` it is a file: `txt`; `srt` or `vtt` for a player, always in the words that were heard, since only
    these have their times; `json` with the language and the time of each word.
    """
    recordings = services.recordings
    recording = await recordings.find(recording_id, owner=caller.owner)
    if format is not None:
        document = await transcript_of(recording, recordings.storage)
        return _file(recording, document, form=format, improved=improved)
    return _shown(recording, improved=improved)


@router.put("/{recording_id:uuid}/transcript", operation_id="edit_transcript", max_body_size=LONGEST_WORDING_BYTES)
async def edit_transcript(
    recording_id: RecordingId, wording: Wording, services: CurrentServices, caller: AuthenticatedCaller
) -> Transcript:
    """Sets a wording that is better than what was heard, as an improving model does; null takes it away.

    What was heard stays beside it, with its times. Processing the recording again replaces both.
    """
    recording = await services.recordings.edit_transcript(recording_id, wording.text, owner=caller.owner)
    return _shown(recording, improved=True)


@router.put("/{recording_id:uuid}/transcript/speakers", operation_id="name_speakers")
async def name_speakers(
    recording_id: RecordingId, names: SpeakerNames, services: CurrentServices, caller: AuthenticatedCaller
) -> SpeakerNames:
    """Names those who speak in a transcript, all of them at once; one without a name is counted ("Speaker 2").

    The keys are what the transcript as `json` has as `speaker` of a segment. A new transcript has new speakers.
    """
    document = await services.recordings.name_speakers(recording_id, names.speakers, owner=caller.owner)
    return SpeakerNames(speakers=dict(document.speakers))


def _shown(recording: AudioFile, *, improved: bool) -> Transcript:
    text = recording.improved_transcript if improved else None
    return Transcript(
        status=recording.processing_status,
        transcript=text if text is not None else recording.original_transcript,
        is_improved=text is not None,
        transcription_engine=recording.transcription_engine,
        message=_progress(recording),
        error=recording.error_message,
    )


def _file(recording: AudioFile, document: TranscriptDocument, *, form: Format, improved: bool) -> Response:
    media_type, write = FORMATS[form]
    text = f"{recording.improved_transcript}\n" if improved and recording.improved_transcript is not None else None
    base = (recording.original_filename or recording.filename).rpartition(".")[0] or "transcript"
    headers = {"Content-Disposition": content_disposition(f"{base}.{form}"), "X-Content-Type-Options": "nosniff"}
    content = text if form == "txt" and text is not None else write(document)
    return Response(content, media_type=media_type, headers=headers)


def _progress(recording: AudioFile) -> str:
    if recording.original_transcript is not None:
        return "Transcript available"
    match recording.processing_status:
        case ProcessingStatus.FAILED:
            return "Processing failed"
        case ProcessingStatus.COMPLETED:
            return "This recording has no transcript"
    return "The transcript isn't ready yet"
