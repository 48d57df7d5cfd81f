"""What schemathesis can't know of this API: how the bytes of an upload are sent, and what a recording is."""

import itertools
from typing import Any

import schemathesis

from tests.audio.samples import recording

UPLOAD = "POST /api/audio/upload"
uploads = itertools.count()


@schemathesis.serializer("application/offset+octet-stream")
def as_they_are(_context: Any, value: Any) -> bytes:
    """Bytes are sent as they are."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Lets every second file be a recording, or nothing that is uploaded would ever be one."""
    if context.operation.label == UPLOAD and isinstance(body, dict) and next(uploads) % 2 == 0:
        return {**body, "file": recording("wav")[:2000]}
    return body
