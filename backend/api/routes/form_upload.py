"""POST /api/audio/upload: uploads a recording, as the file of a form or as the body itself."""

from dataclasses import replace

from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers

from access.caller import Caller
from api.guards.credentials import AuthenticatedCaller, address_of
from api.guards.query_parameters import check_query_parameters
from api.http1.request_body import Body, declared_length
from api.parameters import RetryKey
from api.protocols.digests import DigestCheck, parse_digests
from api.protocols.multipart import LIMITS, is_form
from api.protocols.protocol_choice import speaks_rufh
from api.protocols.raw_upload import PARAMETERS, RawUpload, details_of, is_raw
from api.protocols.rufh import Draft, FormNotResumable, offered_limits
from api.protocols.upload_form import UploadForm
from api.routes.direct_route import DirectRoute
from api.routes.resumable_upload_docs import FORM_OR_BYTES, UPLOAD_OPTIONS
from api.routes.rufh_uploads import create
from api.schemas import PROBLEM_RESPONSES, UploadedRecording
from api.services import CurrentServices, Services
from audio.intake.duplicates import DuplicateFound
from audio.intake.idempotency_keys import IdempotencyKey, IdempotencyKeyReused, IdempotencyKeyTaken
from audio.model.audio_file import AudioFile
from audio.model.details import Details
from audio.model.duplicates import Original
from storage.contract import Piece

PATH = "/api/audio/upload"

router = APIRouter(tags=["audio"], route_class=DirectRoute, responses=PROBLEM_RESPONSES)


@router.post(PATH, operation_id="upload", openapi_extra=FORM_OR_BYTES, response_model=UploadedRecording)
async def upload(
    request: Request,
    services: CurrentServices,
    caller: AuthenticatedCaller,
    idempotency_key: RetryKey = None,
) -> Response:
    """Takes in a recording: the file, and around it its tag, category and user in any order.

    The bytes decide whether it is audio. The answer comes when they, and what was said about them, are durable. Sent
    again under the same Idempotency-Key, an upload is the same recording, and its body isn't read again.

    A body of audio/… is the recording itself, and its labels are in the query. Where its client speaks the IETF's draft
    of resumable uploads, and sends no Idempotency-Key, it can be resumed at /api/uploads.
    """
    check_query_parameters(request, PARAMETERS)
    if _is_resumable(request.headers, has_key=idempotency_key is not None):
        return await create(request, services, caller)
    in_query = details_of(request).checked()
    key = IdempotencyKey(caller.user_id or "", idempotency_key) if idempotency_key is not None else None
    first = await services.ingest.find_by_key(key)
    if first is not None:
        _check_same_size(request.headers, first)
        original = await services.recordings.original_of(first)
        return _response(first, original, headers={"Idempotency-Replayed": "true"})
    return _response(*await _ingest_once(request, services, caller, key, in_query))


def _check_same_size(headers: Headers, first: AudioFile) -> None:
    """Raises IdempotencyKeyReused: a body of another size, which nobody reads, mustn't be acknowledged."""
    declared_bytes = declared_length(headers)
    if declared_bytes is not None and first.file_size_bytes is not None:
        around_bytes = declared_bytes - first.file_size_bytes
        if not 0 <= around_bytes <= (0 if is_raw(headers) else LIMITS.overhead_bytes):
            raise IdempotencyKeyReused


def _response(recording: AudioFile, original: Original | None, *, headers: dict[str, str] | None = None) -> Response:
    content = UploadedRecording.of(recording, original).model_dump_json()  # FastAPI would validate it once more
    return Response(content, media_type="application/json", headers=headers)


@router.options(
    PATH, operation_id="upload_limits", status_code=204, response_class=Response, openapi_extra=UPLOAD_OPTIONS
)
async def options(services: CurrentServices) -> Response:
    """Says the limits of a resumable upload."""
    return Response(status_code=204, headers={"Allow": "POST, OPTIONS"} | offered_limits(services.ingest.limit_bytes))


def _is_resumable(headers: Headers, *, has_key: bool) -> bool:
    """Whether an upload is made resumable. Raises FormNotResumable where it would have to be, and can't.

    One with an Idempotency-Key is sent as a whole, unless it says that it isn't the whole.
    """
    ends_upload = Draft.of(headers).parse_completeness(headers) if speaks_rufh(headers) else None
    if not is_form(headers):
        return ends_upload is False or (ends_upload is True and not has_key)
    if ends_upload is False:
        raise FormNotResumable
    return False


async def _ingest_once(
    request: Request, services: Services, caller: Caller, key: IdempotencyKey | None, in_query: Details
) -> tuple[AudioFile, Original | None]:
    """Ingests an upload, and returns its recording with the one that was there with the same bytes.

    When another upload with its key comes first, or one with the same bytes is to be returned, it is that recording.
    """
    try:
        return await _ingest(request, services, caller, key, in_query)
    except DuplicateFound as duplicate:
        return duplicate.recording, Original.of(duplicate.recording)
    except IdempotencyKeyTaken:
        first = await services.ingest.find_by_key(key)
        if first is None:  # and has already been deleted
            raise
        return first, await services.recordings.original_of(first)


async def _ingest(
    request: Request, services: Services, caller: Caller, key: IdempotencyKey | None, in_query: Details
) -> tuple[AudioFile, Original | None]:
    ingest, body = services.ingest, Body(request.scope, request.receive)
    services.upload_rate.check(caller.rate_limit_key(address_of(request)))
    headers = request.headers
    content_type = headers.get("content-type", "")
    form = RawUpload(request) if is_raw(headers) else UploadForm(content_type, file_limit_bytes=ingest.limit_bytes)
    body_digests = DigestCheck(parse_digests(headers))
    overhead_bytes = 0 if is_raw(headers) else LIMITS.overhead_bytes
    await ingest.admit(caller.user_id, declared_bytes=max(0, (body.declared_bytes or 0) - overhead_bytes))

    def details() -> Details:
        fields = form.details().or_else(in_query)
        return replace(fields, user_id=caller.new_owner(fields.user_id))

    def feed(piece: Piece) -> None:
        body_digests.update(piece)
        form.feed(piece)

    async with ingest.incoming(details=details) as incoming:
        form.pass_file_on(incoming.write)

        def publish() -> tuple[AudioFile, str | None]:
            form.end()
            body_digests.end()
            said = details()
            return ingest.publish(incoming, said), said.duplicates

        recording, duplicates = await body.pump(feed, end=publish)
        return recording, await ingest.enter(incoming, recording, key=key, duplicates=duplicates)
