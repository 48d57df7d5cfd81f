"""The OpenAPI descriptions of uploads: of their headers, by tus and by the IETF's draft, and of their bodies.

Both protocols have the same paths and methods, which OpenAPI describes once: so neither's headers are required here.
"""

from typing import Any

from api.schemas import BYTES, FORM
from audio.model.details import LABELS
from audio.model.duplicates import DUPLICATES, DuplicatePolicy
from audio.model.file_names import FILE_NAME_BYTES
from core.labels import USER_ID_CHARACTERS

OFFSET = {"description": "How many bytes there are; the upload goes on behind them.", "schema": {"type": "integer"}}
RECORDING = {"description": "The recording that the upload has become.", "schema": {"type": "string"}}
ORIGINAL = {"description": "What was there with the same bytes.", "schema": {"type": "string", "format": "uuid"}}
EXPIRES = {"description": "When the upload is removed, unless more comes until then.", "schema": {"type": "string"}}
RAW = {"schema": BYTES}
APPENDED = {
    "description": "By the IETF's draft, bytes that are appended are application/partial-upload.",
    "content": {"application/offset+octet-stream": RAW},
}
EXAMPLES = {"filename": "memo.m4a", "tag": "Work", "category": "Meeting", "user_id": "ada"}
DIGEST_EXAMPLE = "sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:"
LIMITS = {"description": "What the IETF's draft says of limits: max-size in bytes, max-age in seconds."}
PROGRESS = {
    "Upload-Offset": OFFSET,
    "Upload-Expires": EXPIRES,
    "Upload-Recording-Id": RECORDING,
    "Upload-Duplicate-Of": ORIGINAL,
    "Upload-Complete": {"description": "Whether the upload is complete (IETF).", "schema": {"type": "string"}},
    "Upload-Limit": LIMITS | {"schema": {"type": "string"}},
}


def _header(
    name: str, description: str, *, example: str | int, required: bool = False, **schema: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "example": example,
        "schema": schema,
    }


def _operation(
    status: int, description: str, *parameters: dict[str, Any], headers: dict[str, Any], body: bool = False
) -> dict[str, Any]:
    responses = {str(status): {"description": description, "headers": headers}}
    return {"parameters": list(parameters), "responses": responses} | ({"requestBody": APPENDED} if body else {})


def _query(name: str, most_characters: int) -> dict[str, Any]:
    """A label of a recording that is the body itself."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": "With a body audio/…, or a form that doesn't say it itself.",
        "example": EXAMPLES.get(name, name.title()),
        "schema": {"type": "string", "maxLength": most_characters},
    }


COMPLETED = {
    "description": "By the IETF's draft: the upload is complete, and a recording.",
    "headers": PROGRESS,
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/UploadedRecording"}}},
}
VERSION = _header("Tus-Resumable", "The version of tus.", example="1.0.0", type="string", enum=["1.0.0"])
DRAFT = _header(
    "Upload-Draft-Interop-Version",
    "The version of the IETF's draft, 3 to 10.",
    example=10,
    type="integer",
    minimum=3,
    maximum=10,
)
COMPLETE = _header(
    "Upload-Complete",
    "By the IETF's draft, whether the body ends the upload.",
    example="?1",
    type="string",
    enum=["?1", "?0"],
)
LENGTH = _header("Upload-Length", "The length of the upload in bytes.", example=1048576, type="integer", minimum=0)
CHECKSUM = _header(
    "Upload-Checksum",
    "sha1 or sha256 of the body, and its digest in base64.",
    example="sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
    type="string",
)
DIGEST = _header("Content-Digest", "The same by RFC 9530.", example=DIGEST_EXAMPLE, type="string")
WHOLE = _header(
    "Repr-Digest", "By the IETF's draft, sha-256 or sha-512 of the whole upload.", example=DIGEST_EXAMPLE, type="string"
)

OPTIONS = _operation(
    204,
    "What of tus is offered, and the limits.",
    headers={
        name: {"schema": {"type": "string"}}
        for name in ("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm", "Upload-Limit")
    },
)
UPLOAD_OPTIONS = _operation(
    204, "The limits of a resumable upload.", headers={"Upload-Limit": PROGRESS["Upload-Limit"]}
)
BEGIN = _operation(
    201,
    "The upload has begun.",
    VERSION,
    DRAFT,
    COMPLETE,
    LENGTH,
    _header("Upload-Defer-Length", "1 while the length isn't known.", example="1", type="string", enum=["1"]),
    _header(
        "Upload-Metadata",
        f"filename, filetype, {', '.join(LABELS)}, user_id, {DUPLICATES}, each in base64.",
        example="filename bWVtby53YXY=,tag V29yaw==",
        type="string",
    ),
    CHECKSUM,
    DIGEST,
    WHOLE,
    headers=PROGRESS | {"Location": {"description": "Where the upload goes on.", "schema": {"type": "string"}}},
    body=True,
)
STATE = _operation(
    200,
    "How far the upload is; 204 by the IETF's draft.",
    VERSION,
    DRAFT,
    headers=PROGRESS | {name: {"schema": {"type": "string"}} for name in ("Upload-Length", "Upload-Metadata")},
)
APPEND = _operation(
    204,
    "The bytes are kept.",
    VERSION,
    DRAFT,
    COMPLETE,
    _header("Upload-Offset", "Where the bytes belong.", example=0, required=True, type="integer", minimum=0),
    LENGTH,
    CHECKSUM,
    DIGEST,
    WHOLE,
    headers=PROGRESS,
    body=True,
)
END = _operation(204, "The upload is removed.", VERSION, DRAFT, headers={})
for operation in (BEGIN, APPEND):
    operation["responses"] |= {"200": COMPLETED}
APPEND["responses"] |= {"201": {"description": "The same, by drafts until -05.", "headers": PROGRESS}}
STATE["responses"] |= {"204": STATE["responses"]["200"]}

POLICY = _query(DUPLICATES, 0) | {
    "description": "With bytes that are there already: another recording, a refusal, or the recording that is there.",
    "example": "return",
    "schema": {"type": "string", "enum": list(DuplicatePolicy)},
}
FORM_OR_BYTES = {
    "parameters": [
        _query("filename", FILE_NAME_BYTES),
        POLICY,
        *(_query(name, limit) for name, limit in LABELS.items()),
        _query("user_id", USER_ID_CHARACTERS),
    ],
    "requestBody": {"required": True, "content": {**FORM["requestBody"]["content"], "audio/*": RAW}},
}
