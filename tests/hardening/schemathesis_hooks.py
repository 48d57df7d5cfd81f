"""What schemathesis can't know of this API: how the bytes of an upload are sent, and what a recording is."""

import itertools
from typing import Any

import schemathesis

from tests.audio.samples import recording

UPLOAD = "POST /api/audio/upload"
uploads, keys = itertools.count(), itertools.count()


@schemathesis.serializer("application/offset+octet-stream")
def as_they_are(_context: Any, value: Any) -> bytes:
    """Bytes are sent as they are."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def map_headers(context: Any, headers: Any) -> Any:
    """Gives each upload a key of its own: under the same one the first answer comes again, whatever else is sent."""
    key = next((name for name in headers or () if name.lower() == "idempotency-key"), None)
    if context.operation.label == UPLOAD and key and 0 < len(headers[key]) < 250:
        return {**headers, key: f"{next(keys)}{headers[key]}"}
    return headers


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Lets every second file be a recording, or nothing that is uploaded would ever be one."""
    if context.operation.label == UPLOAD and isinstance(body, dict) and next(uploads) % 2 == 0:
        return {**body, "file": recording("wav")[:2000]}
    return body
