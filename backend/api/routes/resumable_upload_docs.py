"""The OpenAPI descriptions of resumable uploads' headers."""

from typing import Any

from audio.model.details import LABELS

OFFSET = {"description": "How many bytes there are; the upload goes on behind them.", "schema": {"type": "integer"}}
RECORDING = {"description": "The recording that the upload has become.", "schema": {"type": "string"}}
EXPIRES = {"description": "When the upload is removed, unless more comes until then.", "schema": {"type": "string"}}
BYTES = {
    "content": {
        "application/offset+octet-stream": {
            "schema": {"type": "string", "contentMediaType": "application/octet-stream"}
        }
    }
}
PROGRESS = {"Upload-Offset": OFFSET, "Upload-Expires": EXPIRES, "Upload-Recording-Id": RECORDING}


def _header(name: str, description: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


def _operation(
    status: int, description: str, *parameters: dict[str, Any], headers: dict[str, Any], body: bool = False
) -> dict[str, Any]:
    responses = {str(status): {"description": description, "headers": headers}}
    return {"parameters": list(parameters), "responses": responses} | ({"requestBody": BYTES} if body else {})


VERSION = _header("Tus-Resumable", "The version of tus.", required=True, type="string", enum=["1.0.0"])
LENGTH = _header("Upload-Length", "The length of the upload in bytes.", type="integer", minimum=0)
CHECKSUM = _header("Upload-Checksum", "sha1 or sha256 of the body, and its digest in base64.", type="string")
DIGEST = _header("Content-Digest", "The same by RFC 9530.", type="string")

OPTIONS = _operation(
    204,
    "What of tus is offered.",
    headers={
        name: {"schema": {"type": "string"}}
        for name in ("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm")
    },
)
BEGIN = _operation(
    201,
    "The upload has begun.",
    VERSION,
    LENGTH,
    _header("Upload-Defer-Length", "1 while the length isn't known.", type="string", enum=["1"]),
    _header("Upload-Metadata", f"filename, filetype, {', '.join(LABELS)}, user_id, each in base64.", type="string"),
    CHECKSUM,
    DIGEST,
    headers=PROGRESS | {"Location": {"description": "Where the upload goes on.", "schema": {"type": "string"}}},
    body=True,
)
STATE = _operation(
    200,
    "How far the upload is.",
    VERSION,
    headers=PROGRESS | {name: {"schema": {"type": "string"}} for name in ("Upload-Length", "Upload-Metadata")},
)
APPEND = _operation(
    204,
    "The bytes are kept.",
    VERSION,
    _header("Upload-Offset", "Where the bytes belong.", required=True, type="integer", minimum=0),
    LENGTH,
    CHECKSUM,
    DIGEST,
    headers=PROGRESS,
    body=True,
)
END = _operation(204, "The upload is removed.", VERSION, headers={})
